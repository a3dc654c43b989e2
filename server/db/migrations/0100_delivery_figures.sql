-- What the journal of deliveries and the report on health ask at millions of rows.

-- What waits for a person: rows leave it when they are decided on.
create index deliveries_undecided_idx on deliveries (id) where state in ('failed', 'unknown') and decision is distinct from 'give_up';

-- Deliveries are written in the order of time, so this is small and costs next to nothing.
create index deliveries_created_idx on deliveries using brin (created_at) with (pages_per_range = 32, autosummarize = on);
