-- Owner: pkg/task. Why: the one table that is outbox, inbox, result store and history at once, its workers, and what could not become a task.
-- Locks: none, the tables are new. Long on a big table: no. Back: Down (loses every task).
-- +goose Up
-- +goose StatementBegin
create schema task;

-- Rules of single columns are domains: a domain is checked when its column is written, a table's check whenever any column is, and every task is updated two or three times.
create domain task.state as text check (value in ('pending','published','running','succeeded','failed','cancelled'));
create domain task.arguments as jsonb check (pg_column_size(value) <= 262144);

create table task.task (
  id               uuid        not null,
  tenant_id        uuid,
  name             text        not null,
  queue            text        not null,
  state            task.state  not null default 'pending',
  attempt          int         not null default 1,
  available_at     timestamptz not null default now(),
  created_at       timestamptz not null default now(),
  published_at     timestamptz,
  started_at       timestamptz,
  finished_at      timestamptz,
  expires_at       timestamptz,
  args             task.arguments not null default '{}',
  result           jsonb,
  error            text,
  error_kind       text,
  progress         jsonb,
  unique_key       text,
  created_by       uuid,
  parent_id        uuid,
  root_id          uuid,
  fence            bigint      not null default 0,
  lease_until      timestamptz,
  worker_id        uuid,
  suspect          boolean     not null default false,
  cancel_requested boolean     not null default false,
  publish_errors   int         not null default 0,
  resends          int         not null default 0,
  holders          uuid[]      not null default '{}',
  history          jsonb       not null default '[]',
  origin           jsonb,
  constraint task_pkey primary key (id)
) with (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);

comment on table task.task is 'One row per task: arguments, state, attempts, result, progress. Written by pkg/task only; see its doc.go for the life of a row.';
comment on column task.task.origin is 'For a task that a Celery client sent: original id, reply_to, correlation_id, ignore_result, continuations. Null for our own.';
comment on column task.task.holders is 'Worker processes that claimed this task as a suspect and never released it: its possible crashes.';

create unique index task_unique_key on task.task (name, tenant_id, unique_key) nulls not distinct where unique_key is not null;
-- One index for everything that is not over well: the relay's queue, the sweeper's patience, the dead letters. Each index costs every update its predicate.
create index task_open on task.task (state, available_at, id) where state in ('pending', 'published', 'running', 'failed');
create index task_tenant on task.task (tenant_id, id) where tenant_id is not null;

alter table task.task enable row level security;
alter table task.task force row level security;
-- The engine itself (relay, worker, sweeper, cron) works for all tenants at once, in platform transactions. It is asked first, because it is most of the traffic and the cheaper question.
create policy task_scope on task.task
  using (app.is_system() or tenant_id = any ((select app.tenants())::uuid[]))
  with check (app.is_system() or tenant_id = any ((select app.tenants())::uuid[]));
-- A tenant's change may cause a platform task, which belongs to nobody and which the tenant cannot read back.
create policy task_platform_insert on task.task for insert with check (tenant_id is null);

create table task.worker (
  id           uuid        not null,
  service      text        not null,
  host         text        not null,
  pid          int         not null,
  started_at   timestamptz not null default now(),
  heartbeat_at timestamptz not null default now(),
  stopped_at   timestamptz,
  constraint worker_pkey primary key (id)
);
comment on table task.worker is 'One row per process start. A heartbeat that stopped without stopped_at is a crash.';

create table task.dead_letter (
  id           uuid        not null,
  queue        text        not null,
  reason       text        not null,
  detail       text        not null,
  message_id   text,
  task_name    text,
  headers      jsonb       not null default '{}',
  payload      bytea       not null,
  size_bytes   bigint      not null,
  received_at  timestamptz not null default now(),
  replayed_at  timestamptz,
  replayed_by  text,
  discarded_at timestamptz,
  discarded_by text,
  constraint dead_letter_pkey primary key (id)
);
comment on table task.dead_letter is 'Messages that could not become a task: undecodable, oversized, wrong type. Tasks that failed are rows of task.task in state failed.';
create index dead_letter_open on task.dead_letter (id) where replayed_at is null and discarded_at is null;

create table task.operator_action (
  id             uuid        not null,
  at             timestamptz not null default now(),
  actor          text        not null,
  action         text        not null,
  task_id        uuid,
  dead_letter_id uuid,
  reason         text        not null default '',
  constraint operator_action_pkey primary key (id)
);
comment on table task.operator_action is 'Who replayed, discarded or cancelled what, and why. Append only.';

grant usage on schema task to makola_gateway, makola_webhook, makola_billing, makola_inventory, makola_reports, makola_notifier, makola_cron, makola_operator;
grant select, insert, update on task.task to makola_gateway, makola_billing, makola_inventory, makola_reports, makola_notifier, makola_cron, makola_operator;
grant insert on task.task to makola_webhook;
grant delete on task.task to makola_cron, makola_operator;
grant select, insert, update on task.worker to makola_gateway, makola_billing, makola_inventory, makola_reports, makola_notifier, makola_cron;
grant select on task.worker to makola_operator;
grant delete on task.worker to makola_cron;
grant select, insert on task.dead_letter to makola_billing, makola_inventory, makola_reports, makola_notifier;
grant select, update on task.dead_letter to makola_operator;
grant select, insert on task.operator_action to makola_operator;
-- +goose StatementEnd

-- +goose Down
drop schema task cascade;
