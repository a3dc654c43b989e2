-- Important posts and who has said that he read them; posts that a person keeps on top of his feed.

alter table posts add column is_important boolean not null default false;

create table post_acknowledgements (
  post_id bigint not null references posts (id) on delete cascade,
  employee_id bigint not null references employees (id),
  created_at timestamptz not null,
  primary key (post_id, employee_id)
);

create table post_pins (
  employee_id bigint not null references employees (id) on delete cascade,
  post_id bigint not null references posts (id) on delete cascade,
  created_at timestamptz not null,
  primary key (employee_id, post_id)
);
