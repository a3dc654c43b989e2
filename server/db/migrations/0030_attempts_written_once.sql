-- An attempt begins with the claim and is written into the log once, when it has ended: what is being tried
-- right now stands in the delivery itself. What robots fill has no foreign keys, and neither has its log.
alter table deliveries add column begun_at timestamptz;
update deliveries d set begun_at = (select a.started_at from delivery_attempts a where a.delivery_id = d.id and a.attempt = d.attempts) where attempts > 0;
alter table delivery_attempts drop constraint delivery_attempts_delivery_id_fkey;
-- Claimed by an older version and not begun: surely not sent.
update deliveries d set state = 'queued', lease_until = null, fence = fence + 1
  where state = 'sending' and not exists (select from delivery_attempts a where a.delivery_id = d.id and a.attempt = d.attempts and a.finished_at is null);
