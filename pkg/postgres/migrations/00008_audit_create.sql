-- Owner: pkg/audit. Why: who did what, append only, for every context and for operators.
-- Locks: none, the table is new. Long on a big table: no. Back: Down (loses the log).
-- +goose Up
-- +goose StatementBegin
create schema audit;

create table audit.entry (
  id         uuid        not null,
  tenant_id  uuid,
  at         timestamptz not null default now(),
  user_id    uuid,
  actor      text        not null,
  action     text        not null,
  entity     text        not null,
  entity_id  text        not null default '',
  changes    jsonb       not null default '{}',
  ip         text        not null default '',
  user_agent text        not null default '',
  constraint entry_pkey primary key (id),
  constraint entry_action_check check (action ~ '^[A-Za-z][A-Za-z0-9_.]{0,63}$'),
  constraint entry_changes_check check (jsonb_typeof(changes) = 'object' and pg_column_size(changes) <= 65536)
);
create index entry_tenant on audit.entry (tenant_id, id);
create index entry_user on audit.entry (tenant_id, user_id, id) where user_id is not null;
create index entry_entity on audit.entry (tenant_id, entity, entity_id, id);
comment on table audit.entry is 'Append only: nobody may update or delete. tenant_id is null for what operators did to the platform.';
alter table audit.entry enable row level security;
alter table audit.entry force row level security;
create policy entry_tenant on audit.entry
  using (tenant_id = any ((select app.tenants())::uuid[]))
  with check (tenant_id = any ((select app.tenants())::uuid[]));
-- Operators and platform work read and write everybody's log.
create policy entry_platform on audit.entry
  using ((select app.is_system()))
  with check ((select app.is_system()));

grant usage on schema audit to makola_gateway, makola_billing, makola_inventory, makola_reports, makola_notifier, makola_operator;
grant select, insert on audit.entry to makola_gateway, makola_operator;
grant insert on audit.entry to makola_billing, makola_inventory, makola_reports, makola_notifier;
-- +goose StatementEnd

-- +goose Down
drop schema audit cascade;
