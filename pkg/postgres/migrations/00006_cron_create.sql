-- Owner: services/cron. Why: one row per job and slot is the fence between any number of cron processes.
-- Locks: none, the table is new. Long on a big table: no. Back: Down.
-- +goose Up
-- +goose StatementBegin
create schema cron;

create table cron.run (
  job        text        not null,
  slot       timestamptz not null,
  task_id    uuid,
  skipped    text,
  created_at timestamptz not null default now(),
  constraint run_pkey primary key (job, slot),
  constraint run_outcome_check check ((task_id is null) <> (skipped is null))
);
comment on table cron.run is 'Every slot of every scheduled job that came due: the task it became, or why it was skipped.';

grant usage on schema cron to makola_cron, makola_operator;
grant select, insert, delete on cron.run to makola_cron;
grant select on cron.run to makola_operator;
-- +goose StatementEnd

-- +goose Down
drop schema cron cascade;
