-- The messenger of the web: reactions, and messages that are sent again after a lost line.

-- Made up by the author's program, so that a second try is known as such.
alter table messages add column client_id text;
create unique index messages_client_id on messages (chat_id, author_id, client_id) where client_id is not null;

create table message_reactions (
  chat_id bigint not null,
  message_id bigint not null,
  employee_id bigint not null,
  reaction text not null,
  created_at timestamptz not null,
  primary key (chat_id, message_id, employee_id, reaction),
  foreign key (chat_id, message_id) references messages (chat_id, id) on delete cascade
);
