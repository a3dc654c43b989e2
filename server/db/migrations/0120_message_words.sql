-- The words of messages, for search over all chats. Written a moment after the messages, by a loop: keeping an index of
-- words while thousands of messages are written at once would make each of them three times as dear.

create table message_words (
  chat_id bigint not null,
  message_id bigint not null,
  -- Its words in lower case, and '#<chat_id>', so that words said in others' chats are passed over within the index.
  words tsvector not null,
  primary key (chat_id, message_id)
);
create index message_words_idx on message_words using gin (words);

-- Messages whose words are to be written. No key: an edit may put one in twice.
create table message_word_queue (
  chat_id bigint not null,
  message_id bigint not null
);
insert into message_word_queue (chat_id, message_id) select chat_id, id from messages where kind <> 'system' and deleted_at is null;
