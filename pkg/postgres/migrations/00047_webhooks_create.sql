-- Owner: pkg/webhooks. Why: a business's programs are told what happens in it: where to, what, and what came of each attempt.
-- Locks: none, the tables are new. Long on a big table: no. Back: Down (endpoints and their log are lost).
-- +goose Up
-- +goose StatementBegin
create schema webhooks;

create table webhooks.endpoint (
  tenant_id       uuid        not null,
  id              uuid        not null,
  url             text        not null,
  description     text        not null default '',
  kinds           text[]      not null,
  secret          bytea       not null,
  previous_secret bytea,
  previous_until  timestamptz,
  state           text        not null default 'ACTIVE',
  reason          text        not null default '',
  disabled_at     timestamptz,
  failures        integer     not null default 0,
  failing_since   timestamptz,
  retry_at        timestamptz,
  created_by      uuid        not null,
  created_at      timestamptz not null default now(),
  updated_at      timestamptz not null default now(),
  constraint endpoint_pkey primary key (tenant_id, id),
  constraint endpoint_business_fkey foreign key (tenant_id) references accounts.business (id),
  constraint endpoint_state_check check (state in ('ACTIVE','DISABLED','DELETED') and (state = 'ACTIVE') = (disabled_at is null) and (state = 'DISABLED') = (reason <> '')),
  constraint endpoint_reason_check check (reason in ('','OWNER','FAILING','GONE')),
  constraint endpoint_length_check check (length(url) <= 500 and length(description) <= 200 and cardinality(kinds) between 1 and 20),
  constraint endpoint_previous_check check ((previous_secret is null) = (previous_until is null))
);
comment on table webhooks.endpoint is 'Where a business wants to be told. One that was taken away stays, without its address and secrets, as long as the log speaks of it.';
comment on column webhooks.endpoint.secret is 'What signs, encrypted with a key that no database holds (WEBHOOK_SECRET_KEYS).';
comment on column webhooks.endpoint.previous_secret is 'What signs beside it until previous_until, after the secret was changed.';
comment on column webhooks.endpoint.failures is 'Attempts that failed since the last that succeeded; failing_since is when the first of them did.';
comment on column webhooks.endpoint.retry_at is 'Nothing is sent to an endpoint that keeps failing until then; and then one attempt first.';

create table webhooks.event (
  tenant_id  uuid        not null,
  id         uuid        not null,
  kind       text        not null,
  body       text        not null,
  created_at timestamptz not null default now(),
  constraint event_pkey primary key (tenant_id, id),
  constraint event_business_fkey foreign key (tenant_id) references accounts.business (id),
  constraint event_kind_check check (kind ~ '^[a-z]+[.][a-z_]+$' and length(kind) <= 60),
  constraint event_body_check check (octet_length(body) <= 524288)
);
create index event_created on webhooks.event (created_at);
comment on table webhooks.event is 'What happened, as it is sent: byte for byte the same in every attempt. Kept only where an endpoint wanted it.';

create table webhooks.delivery (
  tenant_id       uuid        not null,
  id              uuid        not null,
  event_id        uuid        not null,
  endpoint_id     uuid        not null,
  kind            text        not null,
  state           text        not null default 'PENDING',
  cause           text        not null default 'EVENT',
  attempts        integer     not null default 0,
  last_status     integer,
  log             jsonb       not null default '[]',
  next_attempt_at timestamptz default now(),
  created_at      timestamptz not null default now(),
  ended_at        timestamptz,
  constraint delivery_pkey primary key (tenant_id, id),
  constraint delivery_event_fkey foreign key (tenant_id, event_id) references webhooks.event (tenant_id, id) on delete cascade,
  constraint delivery_endpoint_fkey foreign key (tenant_id, endpoint_id) references webhooks.endpoint (tenant_id, id),
  constraint delivery_state_check check (state in ('PENDING','DELIVERED','FAILED','CANCELLED') and (state = 'PENDING') = (ended_at is null) and (state = 'PENDING') = (next_attempt_at is not null)),
  constraint delivery_cause_check check (cause in ('EVENT','TEST','REPLAY')),
  constraint delivery_log_check check (jsonb_typeof(log) = 'array')
);
create index delivery_event on webhooks.delivery (tenant_id, event_id);
create index delivery_endpoint on webhooks.delivery (tenant_id, endpoint_id, id);
create index delivery_open on webhooks.delivery (tenant_id, endpoint_id) where state = 'PENDING';
comment on table webhooks.delivery is 'One event on its way to one endpoint, and the log of its attempts.';
comment on column webhooks.delivery.log is 'One object for each attempt: at, ms, status, error, answer (its beginning, without what looks secret).';

alter table webhooks.endpoint enable row level security;
alter table webhooks.endpoint force row level security;
create policy endpoint_tenant on webhooks.endpoint
  using (tenant_id = any ((select app.tenants())::uuid[])) with check (tenant_id = any ((select app.tenants())::uuid[]));
alter table webhooks.event enable row level security;
alter table webhooks.event force row level security;
create policy event_tenant on webhooks.event
  using (tenant_id = any ((select app.tenants())::uuid[])) with check (tenant_id = any ((select app.tenants())::uuid[]));
alter table webhooks.delivery enable row level security;
alter table webhooks.delivery force row level security;
create policy delivery_tenant on webhooks.delivery
  using (tenant_id = any ((select app.tenants())::uuid[])) with check (tenant_id = any ((select app.tenants())::uuid[]));
-- Housekeeping deletes for all tenants; it may read what is old, not what it says.
create policy event_prune on webhooks.event to makola_cron using ((select app.is_system()));
create policy endpoint_prune on webhooks.endpoint to makola_cron using ((select app.is_system()) and state = 'DELETED');

-- What other contexts read: who wants to be told of what.
create view webhooks.v_listener with (security_invoker = true) as
select tenant_id, id as endpoint_id, kinds from webhooks.endpoint where state = 'ACTIVE';
comment on view webhooks.v_listener is 'Endpoints that are told of events, and of which kinds.';

grant usage on schema webhooks to makola_gateway, makola_billing, makola_inventory, makola_reports, makola_notifier, makola_cron;
grant select on webhooks.v_listener to makola_gateway, makola_billing, makola_inventory, makola_reports;
grant select (tenant_id, id, kinds, state) on webhooks.endpoint to makola_billing, makola_inventory, makola_reports;
grant insert on webhooks.event, webhooks.delivery to makola_gateway, makola_billing, makola_inventory, makola_reports;
grant select, insert, update (url, description, kinds, secret, previous_secret, previous_until, state, reason, disabled_at, failures, failing_since, retry_at, updated_at)
  on webhooks.endpoint to makola_gateway;
grant select on webhooks.event, webhooks.delivery to makola_gateway;
grant update (state, ended_at, next_attempt_at) on webhooks.delivery to makola_gateway;
grant select, update (state, reason, disabled_at, failures, failing_since, retry_at) on webhooks.endpoint to makola_notifier;
grant select on webhooks.event to makola_notifier;
grant select, update (state, attempts, last_status, log, next_attempt_at, ended_at) on webhooks.delivery to makola_notifier;
grant select (tenant_id, id, created_at), delete on webhooks.event to makola_cron;
grant select (tenant_id, id, state, disabled_at), delete on webhooks.endpoint to makola_cron;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
drop schema webhooks cascade;
-- +goose StatementEnd
