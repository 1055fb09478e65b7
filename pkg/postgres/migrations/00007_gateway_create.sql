-- Owner: services/api-gateway. Why: what an Idempotency-Key has made already, so that asking twice makes it once.
-- Locks: none, the table is new. Long on a big table: no. Back: Down.
-- +goose Up
-- +goose StatementBegin
create schema gateway;

create table gateway.idempotency_key (
  tenant_id    uuid        not null,
  operation    text        not null,
  key          text        not null,
  request_hash bytea       not null,
  subject_id   uuid        not null,
  created_at   timestamptz not null default now(),
  constraint idempotency_key_pkey primary key (tenant_id, operation, key),
  constraint idempotency_key_length_check check (length(key) between 1 and 100)
);
comment on table gateway.idempotency_key is 'Which row an Idempotency-Key of a business has made, and the SHA-256 of the request. Rows older than a day mean nothing and may be deleted.';
alter table gateway.idempotency_key enable row level security;
alter table gateway.idempotency_key force row level security;
create policy idempotency_key_tenant on gateway.idempotency_key
  using (tenant_id = any ((select app.tenants())::uuid[]))
  with check (tenant_id = any ((select app.tenants())::uuid[]));

grant usage on schema gateway to makola_gateway;
grant select, insert, update on gateway.idempotency_key to makola_gateway;
-- +goose StatementEnd

-- +goose Down
drop schema gateway cascade;
