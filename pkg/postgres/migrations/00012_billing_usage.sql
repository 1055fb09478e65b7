-- Owner: pkg/billing. Why: what a feature costs, holds on credits, what was used, alerts about the balance, and the nightly check's record.
-- Locks: short exclusive ones on billing.ledger_transfer, ledger_entry, ledger_account and credit_lot, for their policies. Long on a big table: no.
-- Back: Down (loses usage; the ledger's entries about it stay).
-- +goose Up
-- +goose StatementBegin
create table billing.feature_price (
  feature         text   not null,
  credits         bigint not null,
  effective_from  date   not null,
  effective_until date,
  constraint feature_price_pkey primary key (feature, effective_from),
  constraint feature_price_feature_check check (feature ~ '^[a-z][a-z_]{0,49}$'),
  constraint feature_price_credits_check check (credits > 0)
);
comment on table billing.feature_price is 'What one call of an AI feature costs, in 1/100 credit, by date. A feature that is not here does not exist.';
insert into billing.feature_price (feature, credits, effective_from) values
  ('credit_assessment', 300, '2020-01-01'), ('collection_priority', 500, '2020-01-01'), ('portfolio_dashboard', 500, '2020-01-01'),
  ('inventory_forecast', 400, '2020-01-01'), ('payment_prediction', 100, '2020-01-01'), ('collection_message', 50, '2020-01-01'),
  ('customer_insight', 50, '2020-01-01'), ('natural_language_query', 50, '2020-01-01'), ('report_narrative', 20, '2020-01-01'),
  ('product_description', 10, '2020-01-01');

create table billing.credit_hold (
  id         uuid        not null,
  tenant_id  uuid        not null,
  user_id    uuid        not null,
  feature    text        not null,
  amount     bigint      not null,
  captured   bigint      not null default 0,
  state      text        not null default 'held',
  created_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz not null,
  ended_at   timestamptz,
  posted_at  timestamptz,
  constraint credit_hold_pkey primary key (id),
  constraint credit_hold_tenant_key unique (tenant_id, id),
  constraint credit_hold_state_check check (state in ('held','captured','released','expired','cancelled')),
  constraint credit_hold_amount_check check (amount > 0 and captured between 0 and amount and (captured > 0) = (state = 'captured')),
  constraint credit_hold_end_check check ((state = 'held') = (ended_at is null) and (posted_at is null or state = 'captured'))
) with (fillfactor = 80);
create index credit_hold_open on billing.credit_hold (tenant_id) where state = 'held' or state = 'captured' and posted_at is null;
comment on table billing.credit_hold is 'Credits set aside for one call of a feature. Open holds lower what may be spent; only a captured one reaches the ledger, when posted_at is set.';

create table billing.credit_hold_lot (
  hold_id   uuid     not null,
  line      smallint not null,
  tenant_id uuid     not null,
  lot_id    uuid     not null,
  amount    bigint   not null,
  captured  bigint   not null default 0,
  constraint credit_hold_lot_pkey primary key (hold_id, line),
  constraint credit_hold_lot_hold_fkey foreign key (tenant_id, hold_id) references billing.credit_hold (tenant_id, id),
  constraint credit_hold_lot_amount_check check (amount > 0 and captured between 0 and amount)
);
comment on table billing.credit_hold_lot is 'Which lots a hold takes from, earliest expiry first. No foreign key to the lots: it would cost every credited payment an index, and nobody may delete a lot.';

create table billing.usage_transaction (
  id               uuid        not null,
  tenant_id        uuid        not null,
  user_id          uuid        not null,
  hold_id          uuid        not null,
  feature          text        not null,
  credits          bigint      not null,
  provider_cost    bigint      not null default 0,
  tokens           bigint      not null default 0,
  success          boolean     not null,
  error            text        not null default '',
  request_data     jsonb       not null default '{}',
  response_summary text        not null default '',
  processing_ms    bigint      not null default 0,
  created_at       timestamptz not null default now(),
  retention_until  timestamptz not null default now() + interval '90 days',
  constraint usage_transaction_pkey primary key (id),
  constraint usage_transaction_hold_key unique (hold_id),
  constraint usage_transaction_hold_fkey foreign key (tenant_id, hold_id) references billing.credit_hold (tenant_id, id),
  constraint usage_transaction_numbers_check check (credits >= 0 and provider_cost >= 0 and tokens >= 0 and processing_ms >= 0 and (success or credits = 0)),
  constraint usage_transaction_text_check check (length(error) <= 500 and length(response_summary) <= 500 and pg_column_size(request_data) <= 16384)
);
create index usage_transaction_tenant on billing.usage_transaction (tenant_id, id);
create index usage_transaction_retention on billing.usage_transaction (retention_until);
comment on table billing.usage_transaction is 'One call of a feature: a failed one costs nothing. Personal data is taken out before it is stored. Deleted after retention_until; usage_day keeps the sums. provider_cost is in 1/10000 GHS.';

create table billing.usage_day (
  tenant_id     uuid   not null,
  day           date   not null,
  feature       text   not null,
  calls         bigint not null,
  failures      bigint not null,
  credits       bigint not null,
  provider_cost bigint not null,
  tokens        bigint not null,
  processing_ms bigint not null,
  constraint usage_day_pkey primary key (tenant_id, day, feature)
);
comment on table billing.usage_day is 'Sums of deleted usage_transaction rows, by UTC day; rows that still exist are not in it.';

create table billing.usage_alert (
  id              uuid        not null,
  tenant_id       uuid        not null,
  kind            text        not null,
  balance         bigint      not null,
  threshold       bigint      not null,
  lot_id          uuid,
  lot_ends_at     timestamptz,
  armed_at        timestamptz not null,
  created_at      timestamptz not null default now(),
  sent_at         timestamptz,
  recovered_at    timestamptz,
  acknowledged_at timestamptz,
  constraint usage_alert_pkey primary key (id),
  constraint usage_alert_armed_key unique (tenant_id, kind, armed_at),
  constraint usage_alert_kind_check check (kind in ('low_balance','depleted','expiring'))
);
comment on column billing.usage_alert.armed_at is 'What made the alert possible again: when credits were last added, or when the lot that it warns of ends. One alert of a kind for each.';

create table billing.ledger_check (
  day        date        not null,
  checked_at timestamptz not null,
  accounts   bigint      not null,
  entries    bigint      not null,
  faults     int         not null,
  details    jsonb       not null default '[]',
  constraint ledger_check_pkey primary key (day)
);
comment on table billing.ledger_check is 'What the nightly check of the whole ledger found; the last run of each UTC day.';

do $$
declare t text;
begin
  foreach t in array array['credit_hold','credit_hold_lot','usage_transaction','usage_day','usage_alert'] loop
    execute format('alter table billing.%I enable row level security', t);
    execute format('alter table billing.%I force row level security', t);
    execute format('create policy %I on billing.%I using (tenant_id = any ((select app.tenants())::uuid[])) with check (tenant_id = any ((select app.tenants())::uuid[]))', t || '_tenant', t);
  end loop;
end $$;
-- Sweeps over all businesses: expiry, alerts, retention, the nightly check. Reading only; each binds to the businesses it found before it writes.
create policy credit_hold_sweep on billing.credit_hold for select to makola_billing, makola_operator using ((select app.is_system()));
create policy credit_hold_lot_sweep on billing.credit_hold_lot for select to makola_billing, makola_operator using ((select app.is_system()));
create policy usage_transaction_sweep on billing.usage_transaction for select to makola_billing using ((select app.is_system()));
create policy usage_alert_sweep on billing.usage_alert for select to makola_billing, makola_operator using ((select app.is_system()));
alter policy ledger_account_check on billing.ledger_account to makola_billing, makola_operator;
alter policy ledger_entry_check on billing.ledger_entry to makola_billing, makola_operator;
alter policy ledger_transfer_check on billing.ledger_transfer to makola_billing, makola_operator;
alter policy credit_lot_check on billing.credit_lot to makola_billing, makola_operator;

grant select on billing.feature_price to makola_gateway, makola_billing, makola_operator;
grant select, insert on billing.credit_hold, billing.credit_hold_lot, billing.usage_transaction to makola_gateway;
grant update (state, captured, ended_at) on billing.credit_hold to makola_gateway;
grant update (captured) on billing.credit_hold_lot to makola_gateway;
grant select on billing.usage_day, billing.usage_alert to makola_gateway;
grant select on billing.credit_hold, billing.credit_hold_lot to makola_billing, makola_operator;
grant update (state, ended_at, posted_at) on billing.credit_hold to makola_billing;
grant select, delete on billing.usage_transaction to makola_billing;
grant select, insert, update on billing.usage_day to makola_billing;
grant select, insert on billing.usage_alert to makola_billing;
grant update (sent_at, recovered_at) on billing.usage_alert to makola_billing;
grant select on billing.usage_alert to makola_operator;
grant select, insert, update on billing.ledger_check to makola_billing;
grant select on billing.ledger_check to makola_operator;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
alter policy credit_lot_check on billing.credit_lot to makola_operator;
alter policy ledger_transfer_check on billing.ledger_transfer to makola_operator;
alter policy ledger_entry_check on billing.ledger_entry to makola_operator;
alter policy ledger_account_check on billing.ledger_account to makola_operator;
drop table billing.ledger_check, billing.usage_alert, billing.usage_day, billing.usage_transaction, billing.credit_hold_lot, billing.credit_hold, billing.feature_price;
-- +goose StatementEnd
