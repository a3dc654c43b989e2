-- Triggers that applications have registered: events they will tell of, by code.
create table app_triggers (
  app_id bigint not null,
  code text not null,
  name text not null,
  -- How people know the application.
  app_name text not null,
  created_at timestamptz not null,
  primary key (app_id, code)
);
