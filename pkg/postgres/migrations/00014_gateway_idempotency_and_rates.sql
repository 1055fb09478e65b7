-- Owner: services/api-gateway. Why: one mechanism for every operation with an Idempotency-Key, which keeps the whole answer; and rate limits that replicas share.
-- Locks: none, the tables are new. Long on a big table: no. Back: Down (keys in use are forgotten, counts begin anew).
-- gateway.idempotency_key stays for yesterday's gateways, which run beside this one; the release after this one drops it.
-- +goose Up
-- +goose StatementBegin
create table gateway.idempotent_request (
  tenant_id    uuid        not null,
  user_id      uuid        not null,
  operation    text        not null,
  key          text        not null,
  request_hash bytea       not null,
  holder       uuid        not null,
  held_until   timestamptz not null,
  subject_id   uuid,
  status       int,
  headers      jsonb,
  body         bytea,
  created_at   timestamptz not null default now(),
  constraint idempotent_request_pkey primary key (tenant_id, user_id, operation, key),
  constraint idempotent_request_length_check check (length(key) between 1 and 100),
  constraint idempotent_request_status_check check (status between 200 and 499)
);
comment on table gateway.idempotent_request is 'What a person''s Idempotency-Key was used for: SHA-256 of the request, who works on it until when, the row that it made, and the answer once there is one. Rows older than a day mean nothing; cron deletes them.';
alter table gateway.idempotent_request enable row level security;
alter table gateway.idempotent_request force row level security;
create policy idempotent_request_tenant on gateway.idempotent_request
  using (tenant_id = any ((select app.tenants())::uuid[]))
  with check (tenant_id = any ((select app.tenants())::uuid[]));
-- Housekeeping deletes for all tenants; it may read which rows are old, not what they hold.
create policy idempotent_prune on gateway.idempotent_request to makola_cron using (app.is_system());

-- Not logged: after a crash everybody's bucket is full again, which is no harm, and nothing is written twice.
create unlogged table gateway.rate_bucket (
  policy text             not null,
  key    bytea            not null,
  tokens double precision not null,
  taken  boolean          not null default true,
  at     timestamptz      not null default clock_timestamp(),
  constraint rate_bucket_pkey primary key (policy, key)
) with (fillfactor = 50);
comment on table gateway.rate_bucket is 'What is left of a shared rate limit, per policy and SHA-256 of whom it counts (an address, a business, a person). A row that is quiet is a full bucket; cron deletes it.';

grant select, insert, update on gateway.idempotent_request, gateway.rate_bucket to makola_gateway;
grant usage on schema gateway to makola_cron;
grant select (tenant_id, user_id, operation, key, created_at) on gateway.idempotent_request to makola_cron;
grant select (policy, key, at) on gateway.rate_bucket to makola_cron;
grant delete on gateway.idempotent_request, gateway.rate_bucket to makola_cron;
-- +goose StatementEnd

-- +goose Down
drop table gateway.idempotent_request, gateway.rate_bucket;
revoke usage on schema gateway from makola_cron;
