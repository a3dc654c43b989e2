-- How many items stand on each stage and what they are worth, kept so that a board of a million items opens
-- at once. By owner, because that is how rights narrow what a person sees.
create table stage_totals (
  stage_id bigint not null,
  -- 0: nobody's.
  owner_id bigint not null,
  currency text not null,
  count bigint not null,
  -- How many of them have an amount: no amount and an amount of nothing are told apart.
  priced bigint not null,
  amount numeric not null,
  primary key (stage_id, owner_id, currency)
) with (fillfactor = 50);

-- What writes added and took since the totals were last summed up: appended only, so that no two movers ever
-- wait for each other's row. A loop folds them into the totals; a reader adds both up in one statement.
create table stage_deltas (
  stage_id bigint not null,
  owner_id bigint not null,
  currency text not null,
  count bigint not null,
  priced bigint not null,
  amount numeric not null
) with (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 500);

insert into stage_totals (stage_id, owner_id, currency, count, priced, amount)
select stage_id, coalesce(owner_id, 0), currency, count(*), count(amount), coalesce(sum(amount), 0) from items where deleted_at is null group by 1, 2, 3;

-- Kept by triggers because items have several bulk writers, and one that forgot would make a board lie for ever.
-- One row per stage, owner and currency a statement touched, however many items.
create function stage_totals_added() returns trigger language plpgsql as $$ begin insert into stage_deltas select stage_id, coalesce(owner_id, 0), currency, count(*), count(amount), coalesce(sum(amount), 0) from added where deleted_at is null group by 1, 2, 3; return null; end $$;
create trigger items_stage_added after insert on items referencing new table as added for each statement execute function stage_totals_added();
create function stage_totals_changed() returns trigger language plpgsql as $$ begin insert into stage_deltas select stage_id, coalesce(owner_id, 0), currency, sum(n), sum(case when amount is null then 0 else n end), coalesce(sum(n * amount), 0) from (select stage_id, owner_id, currency, amount, -1 as n from was where deleted_at is null union all select stage_id, owner_id, currency, amount, 1 from became where deleted_at is null) r group by 1, 2, 3 having sum(n) <> 0 or sum(case when amount is null then 0 else n end) <> 0 or coalesce(sum(n * amount), 0) <> 0; return null; end $$;
create trigger items_stage_changed after update on items referencing old table as was new table as became for each statement execute function stage_totals_changed();
create function stage_totals_removed() returns trigger language plpgsql as $$ begin insert into stage_deltas select stage_id, coalesce(owner_id, 0), currency, -count(*), -count(amount), -coalesce(sum(amount), 0) from was where deleted_at is null group by 1, 2, 3; return null; end $$;
create trigger items_stage_removed after delete on items referencing old table as was for each statement execute function stage_totals_removed();
