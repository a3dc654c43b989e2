-- A column of a board shows what came last first.
create index items_moved_idx on items (stage_id, moved_at, id) where deleted_at is null;
