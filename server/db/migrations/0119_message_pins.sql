-- Messages kept on top of a chat, for all of its members.
create table message_pins (
  chat_id bigint not null,
  message_id bigint not null,
  employee_id bigint not null references employees (id),
  created_at timestamptz not null,
  primary key (chat_id, message_id),
  foreign key (chat_id, message_id) references messages (chat_id, id) on delete cascade
);
