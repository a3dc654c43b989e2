-- The journal of runs at millions of them: counts per day, and the indexes its filters take.

-- How many runs of a robot ended on a past day, and how. Filled by the loop run-days, never changed afterwards.
create table run_days (
  day date not null,
  pipeline_id bigint not null,
  robot_id bigint not null,
  state text not null,
  count int not null,
  primary key (day, pipeline_id, robot_id, state)
);

-- The last day that is counted; at most one row.
create table run_days_until (
  is_one boolean primary key default true,
  day date not null,
  constraint run_days_until_one check (is_one)
);

-- Runs are written in the order of time, so these are small and cost next to nothing.
create index runs_created_idx on runs using brin (created_at) with (pages_per_range = 32, autosummarize = on);
create index runs_finished_idx on runs using brin (finished_at) with (pages_per_range = 32, autosummarize = on);

-- The numbers on the cards of robots.
create index runs_waiting_robot_idx on runs (robot_id, id) where state = 'waiting';
create index runs_failed_robot_idx on runs (robot_id, id) where state = 'failed';
