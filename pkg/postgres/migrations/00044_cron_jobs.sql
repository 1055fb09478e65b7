-- Owner: pkg/cron. Why: cron's table as cron itself wrote it down, so that others can show it; who paused a job, and why; and the runs that people asked for.
-- Locks: none, the tables are new. Long on a big table: no.
-- Back: Down; jobs that were paused run again with their next slot.
-- +goose Up
-- +goose StatementBegin
create table cron.job (
  name         text        not null,
  position     int         not null,
  task         text        not null,
  args         jsonb       not null default '{}',
  every_s      bigint,
  offset_s     bigint,
  expression   text,
  zone         text,
  missed       text        not null,
  overlap      text        not null,
  waits        boolean     not null,
  seen_at      timestamptz not null,
  paused_at    timestamptz,
  paused_by    text,
  pause_reason text,
  constraint job_pkey primary key (name),
  constraint job_timing_check check ((every_s is null) = (offset_s is null) and (expression is null) = (zone is null) and (every_s is null) <> (expression is null)),
  constraint job_missed_check check (missed in ('once','skip','all')),
  constraint job_overlap_check check (overlap in ('forbid','allow')),
  constraint job_pause_check check ((paused_at is null) = (paused_by is null) and (paused_at is null) = (pause_reason is null))
);
comment on table cron.job is 'What the table of the running cron says, written by cron, and whether somebody paused a job, written by whoever did.';
comment on column cron.job.seen_at is 'When a cron that has the job last said so; every half minute while one runs.';

create table cron.request (
  task_id      uuid        not null,
  job          text        not null,
  key          text        not null,
  requested_at timestamptz not null default now(),
  requested_by text        not null,
  reason       text        not null,
  constraint request_pkey primary key (task_id),
  constraint request_job_key_key unique (job, key)
);
create index request_job on cron.request (job, requested_at);
create index request_requested on cron.request (requested_at);
comment on table cron.request is 'Runs of a job that a person asked for, besides its slots: the task each became, who asked and why.';

grant select, insert on cron.job to makola_cron;
grant update (position, task, args, every_s, offset_s, expression, zone, missed, overlap, waits, seen_at) on cron.job to makola_cron;
grant select, delete on cron.request to makola_cron;
grant usage on schema cron to makola_gateway;
grant select on cron.run to makola_gateway;
grant select on cron.job to makola_gateway, makola_operator;
grant update (paused_at, paused_by, pause_reason) on cron.job to makola_gateway, makola_operator;
grant select, insert on cron.request to makola_gateway, makola_operator;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
drop table cron.request, cron.job;
revoke select on cron.run from makola_gateway;
revoke usage on schema cron from makola_gateway;
-- +goose StatementEnd
