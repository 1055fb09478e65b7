-- Owner: pkg/billing. Why: the double-entry ledger, credit lots and purchases, provider events, trials, dated taxes.
-- Locks: none, the tables are new. Long on a big table: no. Back: Down (loses the books; never on a live system).
-- +goose Up
-- +goose StatementBegin
create schema billing;

create table billing.subscription (
  tenant_id    uuid        not null,
  status       text        not null,
  is_trial     boolean     not null default false,
  trial_end    timestamptz,
  period_start timestamptz not null,
  period_end   timestamptz not null,
  created_at   timestamptz not null default now(),
  constraint subscription_pkey primary key (tenant_id),
  constraint subscription_status_check check (status in ('INACTIVE','TRIAL','ACTIVE','PAST_DUE','EXPIRED','SUSPENDED','CANCELLED'))
);

create table billing.tax_rate (
  code              text not null,
  name              text not null,
  rate_bp           int  not null,
  applies_to        text not null,
  calculation_order int  not null,
  effective_from    date not null,
  effective_until   date,
  constraint tax_rate_pkey primary key (code, effective_from),
  constraint tax_rate_applies_to_check check (applies_to in ('SUBTOTAL','CUMULATIVE')),
  constraint tax_rate_rate_check check (rate_bp between 0 and 10000)
);
comment on table billing.tax_rate is 'Ghana: until 2025-12-31 VAT Act 870 with levies and COVID-19 levy, VAT on top of the levies; from 2026-01-01 all on the base, COVID-19 levy abolished.';
insert into billing.tax_rate (code, name, rate_bp, applies_to, calculation_order, effective_from, effective_until) values
  ('NHIL',    'National Health Insurance Levy', 250,  'SUBTOTAL',   1, '2018-08-01', '2025-12-31'),
  ('GETFUND', 'GETFund Levy',                   250,  'SUBTOTAL',   2, '2018-08-01', '2025-12-31'),
  ('COVID',   'COVID-19 Health Recovery Levy',  100,  'SUBTOTAL',   3, '2021-05-01', '2025-12-31'),
  ('VAT',     'Value Added Tax',                1500, 'CUMULATIVE', 4, '2018-08-01', '2025-12-31'),
  ('NHIL',    'National Health Insurance Levy', 250,  'SUBTOTAL',   1, '2026-01-01', null),
  ('GETFUND', 'GETFund Levy',                   250,  'SUBTOTAL',   2, '2026-01-01', null),
  ('VAT',     'Value Added Tax',                1500, 'SUBTOTAL',   3, '2026-01-01', null);

create table billing.ledger_account (
  id             uuid        not null,
  tenant_id      uuid,
  kind           text        not null,
  unit           char(3)     not null,
  balance        bigint      not null default 0,
  allow_negative boolean     not null default false,
  created_at     timestamptz not null default now(),
  constraint ledger_account_pkey primary key (id),
  constraint ledger_account_kind_check check (kind in ('credits','credits_issued','provider_receivable','credit_sales','suspense')),
  constraint ledger_account_unit_check check (unit ~ '^[A-Z]{3}$'),
  constraint ledger_account_balance_check check (allow_negative or balance >= 0)
) with (fillfactor = 50);
create unique index ledger_account_key on billing.ledger_account (tenant_id, kind, unit) nulls not distinct;
comment on table billing.ledger_account is 'One balance in one unit: CRD is 1/100 AI credit, else a currency in minor units. Platform accounts have no tenant. The balance is a cache of the entries, changed in the transaction that writes them.';
insert into billing.ledger_account (id, tenant_id, kind, unit, allow_negative) values
  ('00000000-0000-7000-8000-000000000001', null, 'credits_issued',      'CRD', true),
  ('00000000-0000-7000-8000-000000000002', null, 'provider_receivable', 'GHS', true),
  ('00000000-0000-7000-8000-000000000003', null, 'credit_sales',        'GHS', true),
  ('00000000-0000-7000-8000-000000000004', null, 'suspense',            'GHS', true);

create table billing.ledger_transfer (
  id              uuid        not null,
  tenant_id       uuid        not null,
  kind            text        not null,
  idempotency_key text        not null,
  reference       text        not null default '',
  created_at      timestamptz not null default now(),
  constraint ledger_transfer_pkey primary key (id),
  constraint ledger_transfer_idempotency_key unique (idempotency_key),
  constraint ledger_transfer_kind_check check (kind in ('purchase','trial','suspense','expiry','usage','refund'))
);

create table billing.credit_lot (
  id          uuid        not null,
  tenant_id   uuid        not null,
  purchase_id uuid,
  source      text        not null,
  granted     bigint      not null,
  remaining   bigint      not null,
  expires_at  timestamptz not null,
  created_at  timestamptz not null default now(),
  constraint credit_lot_pkey primary key (id),
  constraint credit_lot_source_check check (source in ('PURCHASE','BONUS','TRIAL','ADMIN')),
  constraint credit_lot_amount_check check (granted > 0 and remaining between 0 and granted)
);
create index credit_lot_spendable on billing.credit_lot (tenant_id, expires_at) where remaining > 0;

create table billing.ledger_entry (
  transfer_id uuid        not null,
  line        smallint    not null,
  tenant_id   uuid        not null,
  account_id  uuid        not null,
  lot_id      uuid,
  unit        char(3)     not null,
  amount      bigint      not null,
  created_at  timestamptz not null default now(),
  constraint ledger_entry_pkey primary key (transfer_id, line),
  constraint ledger_entry_amount_check check (amount <> 0),
  constraint ledger_entry_lot_check check (lot_id is null or unit = 'CRD')
);
-- What a business reads: the changes of its credits. The platform's side, three entries of five, is read only as a whole.
create index ledger_entry_account on billing.ledger_entry (account_id, transfer_id, line) where lot_id is not null;
comment on table billing.ledger_entry is 'Append only. amount is positive where value arrives and negative where it comes from, so the entries of one transfer sum to zero in every unit and an account''s balance is the sum of its entries.';

-- The ledger's rules are checked once for each statement, over all rows that arrived with it, because the statement that credits a batch brings
-- a thousand rows and row security makes each look by a row trigger expensive. So transfers, lots and entries arrive in one statement. The rules hold
-- for good, because nobody may update or delete transfers, entries or the keys of accounts and lots.
create function billing.check_entries() returns trigger language plpgsql as $$
declare bad uuid;
begin
  select e.transfer_id into bad from arrived e group by e.transfer_id, e.unit having sum(e.amount) <> 0 or count(*) < 2 limit 1;
  if bad is not null then
    raise exception 'ledger transfer % does not balance', bad using errcode = 'check_violation', constraint = 'ledger_transfer_balance';
  end if;
  select e.transfer_id into bad from (select distinct transfer_id, tenant_id from arrived) e
   where not exists (select from billing.ledger_transfer t where t.id = e.transfer_id and t.tenant_id = e.tenant_id) limit 1;
  if bad is not null then
    raise exception 'there is no ledger transfer % of the entries'' tenant', bad using errcode = 'foreign_key_violation', constraint = 'ledger_entry_transfer_fkey';
  end if;
  select e.account_id into bad from (select distinct account_id, tenant_id, unit from arrived) e
   where not exists (select from billing.ledger_account a where a.id = e.account_id and a.unit = e.unit and (a.tenant_id is null or a.tenant_id = e.tenant_id)) limit 1;
  if bad is not null then
    raise exception 'account % is not of the entries'' tenant and unit', bad using errcode = 'foreign_key_violation', constraint = 'ledger_entry_account_fkey';
  end if;
  select e.lot_id into bad from arrived e
   where e.lot_id is not null and not exists (select from billing.credit_lot l where l.id = e.lot_id and l.tenant_id = e.tenant_id) limit 1;
  if bad is not null then
    raise exception 'lot % is not of the entries'' tenant', bad using errcode = 'foreign_key_violation', constraint = 'ledger_entry_lot_fkey';
  end if;
  return null;
end $$;
create trigger ledger_entry_check after insert on billing.ledger_entry
  referencing new table as arrived for each statement execute function billing.check_entries();

create function billing.check_transfers() returns trigger language plpgsql as $$
declare bad uuid;
begin
  select t.id into bad from arrived t where not exists (select from billing.ledger_entry e where e.transfer_id = t.id) limit 1;
  if bad is not null then
    raise exception 'ledger transfer % arrived without its entries', bad using errcode = 'check_violation', constraint = 'ledger_transfer_balance';
  end if;
  return null;
end $$;
create trigger ledger_transfer_check after insert on billing.ledger_transfer
  referencing new table as arrived for each statement execute function billing.check_transfers();

create table billing.credit_purchase (
  id                  uuid        not null,
  tenant_id           uuid        not null,
  user_id             uuid        not null,
  package             text        not null,
  base_minor          bigint      not null,
  tax_lines           jsonb       not null default '[]',
  tax_minor           bigint      not null,
  amount_expected     bigint      not null,
  currency            char(3)     not null,
  credits             bigint      not null,
  bonus               bigint      not null default 0,
  reference           text        not null,
  provider            text        not null,
  method              text        not null,
  status              text        not null default 'pending',
  authorization_url   text,
  access_code         text,
  amount_received     bigint,
  currency_received   text,
  provider_txn_id     text,
  review_reason       text,
  completed_at        timestamptz,
  checks              int         not null default 0,
  checked_at          timestamptz,
  created_at          timestamptz not null default now(),
  updated_at          timestamptz not null default now(),
  constraint credit_purchase_pkey primary key (id),
  constraint credit_purchase_tenant_key unique (tenant_id, id), -- also what a business's list is read by
  constraint credit_purchase_reference_key unique (provider, reference),
  constraint credit_purchase_status_check check (status in ('pending','completed','failed','refunded','review','expired')),
  constraint credit_purchase_amounts_check check (base_minor > 0 and tax_minor >= 0 and amount_expected = base_minor + tax_minor and credits > 0 and bonus >= 0)
) with (fillfactor = 80);
create unique index credit_purchase_provider_txn_key on billing.credit_purchase (provider, provider_txn_id) where provider_txn_id is not null;
create index credit_purchase_pending on billing.credit_purchase (created_at) where status = 'pending';
comment on column billing.credit_purchase.checks is 'How often the reconciler asked for a verification; checked_at is the last time. They space the questions out.';
alter table billing.credit_lot add constraint credit_lot_purchase_fkey foreign key (tenant_id, purchase_id) references billing.credit_purchase (tenant_id, id);

create table billing.webhook_event (
  id              uuid        not null,
  provider        text        not null,
  dedupe_key      text        not null,
  event_type      text        not null,
  reference       text        not null default '',
  body            bytea       not null,
  headers         jsonb       not null default '{}',
  trusted         boolean     not null default false,
  status          text        not null default '',
  amount_minor    bigint,
  currency        text        not null default '',
  provider_txn_id text        not null default '',
  paid_at         timestamptz,
  received_at     timestamptz not null default now(),
  state           text        not null default 'received',
  error           text,
  finished_at     timestamptz,
  constraint webhook_event_pkey primary key (id),
  constraint webhook_event_dedupe_key unique (provider, dedupe_key),
  constraint webhook_event_state_check check (state in ('received','processed','ignored','review','unmatched'))
) with (fillfactor = 80);
comment on table billing.webhook_event is 'Every genuine provider event and every answer to a verification, as it came, with the facts read from it. Not a tenant table: the tenant is known only after the reference was matched.';
comment on column billing.webhook_event.trusted is 'True when the provider vouches for the body itself (a signature over it, or our own question to its API), so that the facts may be credited. False is only a hint.';

create table billing.payment_review (
  id                uuid        not null,
  tenant_id         uuid,
  purchase_id       uuid,
  event_id          uuid,
  provider          text        not null,
  reference         text        not null,
  reason            text        not null,
  expected_minor    bigint,
  expected_currency text,
  received_minor    bigint,
  received_currency text,
  created_at        timestamptz not null default now(),
  resolved_at       timestamptz,
  constraint payment_review_pkey primary key (id),
  constraint payment_review_purchase_fkey foreign key (tenant_id, purchase_id) references billing.credit_purchase (tenant_id, id)
);
create unique index payment_review_key on billing.payment_review (provider, reference, reason, event_id) nulls not distinct;

-- Rows that a tenant owns.
do $$
declare t text;
begin
  foreach t in array array['subscription','ledger_transfer','ledger_entry','credit_lot','credit_purchase'] loop
    execute format('alter table billing.%I enable row level security', t);
    execute format('alter table billing.%I force row level security', t);
    execute format('create policy %I on billing.%I using (tenant_id = any ((select app.tenants())::uuid[])) with check (tenant_id = any ((select app.tenants())::uuid[]))', t || '_tenant', t);
  end loop;
  -- Platform accounts and reviews of unknown references belong to nobody; billing-worker posts to them while bound to tenants.
  foreach t in array array['ledger_account','payment_review'] loop
    execute format('alter table billing.%I enable row level security', t);
    execute format('alter table billing.%I force row level security', t);
    execute format('create policy %I on billing.%I using (tenant_id = any ((select app.tenants())::uuid[])) with check (tenant_id = any ((select app.tenants())::uuid[]))', t || '_tenant', t);
    execute format('create policy %I on billing.%I to makola_billing, makola_gateway, makola_operator using (tenant_id is null) with check (tenant_id is null)', t || '_platform', t);
  end loop;
end $$;
-- A provider names a reference, not a tenant: the worker must find whose it is. The reconciler and the ledger check look across tenants. Reading only.
create policy credit_purchase_match on billing.credit_purchase for select to makola_billing, makola_operator using ((select app.is_system()));
create policy ledger_account_check on billing.ledger_account for select to makola_operator using ((select app.is_system()));
create policy ledger_entry_check on billing.ledger_entry for select to makola_operator using ((select app.is_system()));
create policy credit_lot_check on billing.credit_lot for select to makola_operator using ((select app.is_system()));
create policy ledger_transfer_check on billing.ledger_transfer for select to makola_operator using ((select app.is_system()));
create policy payment_review_check on billing.payment_review for select to makola_operator using ((select app.is_system()));

grant usage on schema billing to makola_gateway, makola_webhook, makola_billing, makola_operator;
grant select on billing.tax_rate to makola_gateway, makola_billing;
grant select, insert on billing.subscription, billing.ledger_transfer, billing.ledger_entry, billing.credit_lot to makola_gateway, makola_billing;
grant select, insert, update (balance) on billing.ledger_account to makola_gateway, makola_billing;
grant select, insert on billing.credit_purchase to makola_gateway;
grant update (authorization_url, access_code, updated_at) on billing.credit_purchase to makola_gateway; -- it may start a checkout, never complete one
grant select on billing.credit_purchase to makola_billing;
grant update (status, amount_received, currency_received, provider_txn_id, review_reason, completed_at, checked_at, checks, updated_at) on billing.credit_purchase to makola_billing;
grant update (remaining) on billing.credit_lot to makola_billing;
grant insert, select (id, provider, dedupe_key) on billing.webhook_event to makola_webhook;
grant select, insert on billing.webhook_event to makola_billing; -- inserts the answers to its own questions
grant select on billing.webhook_event to makola_operator;
grant update (state, error, finished_at) on billing.webhook_event to makola_billing;
grant select, insert on billing.payment_review to makola_billing;
grant select on billing.ledger_account, billing.ledger_transfer, billing.ledger_entry, billing.credit_lot, billing.credit_purchase, billing.payment_review to makola_operator;
-- +goose StatementEnd

-- +goose Down
drop schema billing cascade;
