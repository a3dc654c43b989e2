-- Up to which post a person has seen his feed: what is newer counts as new, and is worth a push.
create table feed_marks (
  employee_id bigint primary key references employees (id) on delete cascade,
  seen_up_to_id bigint not null
);
