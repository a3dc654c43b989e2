-- Triggers: what moves an item to a stage when something happens.

-- They are drafted, published and restored together with the robots of their pipeline.
alter table robot_drafts add column triggers jsonb not null default '[]';
alter table robot_versions add column triggers jsonb not null default '[]';

-- Something happened to an item that one of these triggers listens to. A row goes when they have been decided,
-- in the same transaction.
create sequence trigger_event_ids;
create table trigger_events (
  id bigint primary key default nextval('trigger_event_ids'),
  item_id bigint not null,
  trigger_ids bigint[] not null,
  kind text not null
    constraint trigger_events_kind_known check (kind in ('fieldChanged', 'ownerChanged', 'webhook', 'app', 'invoicePaid', 'dateReached')),
  -- What the reader is told and the trigger compares: values before and after, the invoice …
  data jsonb not null default '{}',
  -- The causal chain it belongs to; null: it begins one.
  chain_id bigint,
  depth smallint not null default 0,
  due_at timestamptz not null,
  attempts smallint not null default 0,
  error text,
  created_at timestamptz not null
) with (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 500);
create index trigger_events_due_idx on trigger_events (due_at, id);
create index trigger_events_item_idx on trigger_events (item_id);

-- The moment at which a date of an item is reached for a trigger. Kept in step with the date by whoever writes the item.
create table trigger_waits (
  trigger_id bigint not null,
  item_id bigint not null,
  event_id bigint not null default nextval('trigger_event_ids'),
  due_at timestamptz not null,
  primary key (trigger_id, item_id)
);
create index trigger_waits_due_idx on trigger_waits (due_at);
create index trigger_waits_item_idx on trigger_waits (item_id);

-- A trigger of a date was published: items that are there already get their moments, a piece at a time.
create table trigger_plannings (
  trigger_id bigint primary key,
  pipeline_id bigint not null,
  -- Items up to this one have theirs.
  after_item_id bigint not null default 0,
  -- Moments before it were past when the trigger was published.
  published_at timestamptz not null
);

-- One trigger, one event: what was decided and why.
create table trigger_runs (
  -- One row of numbers with the runs of robots: arrivals.run_id and item_changes.run_id name either.
  id bigint primary key default nextval('runs_id_seq'),
  event_id bigint not null,
  trigger_id bigint not null,
  version_id bigint,
  item_id bigint not null,
  pipeline_id bigint not null,
  -- Where the item stood, and where the trigger stands.
  from_stage_id bigint not null,
  stage_id bigint not null,
  kind text not null,
  data jsonb not null default '{}',
  state text not null
    constraint trigger_runs_state_known check (state in ('done', 'skipped', 'failed')),
  reason text,
  trace jsonb,
  created_at timestamptz not null,
  constraint trigger_runs_once_per_event unique (event_id, trigger_id)
);
create index trigger_runs_trigger_idx on trigger_runs (trigger_id, id);
create index trigger_runs_item_idx on trigger_runs (item_id, id);

-- The secret in the address of an incoming webhook. Not part of a version: whoever may see robots need not know it.
create table trigger_hooks (
  trigger_id bigint primary key,
  secret text not null,
  created_at timestamptz not null
);
