-- Owner: pkg/billing. Why: paid subscriptions: the price list, what a subscription is made of, its payments and their side of the ledger.
-- Locks: short exclusive ones on billing.subscription, payment_review, ledger_account and ledger_transfer. Long on a big table: the changed checks read each table once,
-- a second or so per million rows, while writers wait. Back: Down, once no row uses what it takes away.
-- +goose Up
-- +goose StatementBegin
create table billing.pricing_tier (
  id               uuid    not null,
  min_storefronts  int     not null,
  max_storefronts  int,
  base_minor       bigint  not null,
  additional_minor bigint  not null default 0,
  currency         char(3) not null default 'GHS',
  is_active        boolean not null default true,
  constraint pricing_tier_pkey primary key (id),
  constraint pricing_tier_range_check check (min_storefronts >= 1 and (max_storefronts is null or max_storefronts >= min_storefronts)),
  constraint pricing_tier_amounts_check check (base_minor > 0 and additional_minor >= 0),
  constraint pricing_tier_overlap exclude using gist (int4range(min_storefronts, max_storefronts, '[]') with &&) where (is_active)
);
comment on table billing.pricing_tier is 'What a month costs before tax, by the number of storefronts: base_minor, and additional_minor for each storefront beyond min_storefronts. Exactly one active tier fits a number.';
insert into billing.pricing_tier (id, min_storefronts, max_storefronts, base_minor, additional_minor) values
  ('00000000-0000-7000-8000-000000000101', 1, 1,    10000, 0),
  ('00000000-0000-7000-8000-000000000102', 2, 2,    15000, 0),
  ('00000000-0000-7000-8000-000000000103', 3, 3,    18000, 0),
  ('00000000-0000-7000-8000-000000000104', 4, 4,    20000, 0),
  ('00000000-0000-7000-8000-000000000105', 5, null, 20000, 5000);

alter table billing.subscription
  add column payment_status       text        not null default 'PENDING',
  add column storefronts          int         not null default 1,
  add column amount_minor         bigint,
  add column currency             char(3)     not null default 'GHS',
  add column anchor_day           smallint,
  add column auto_renew           boolean     not null default false,
  add column grace_period_days    smallint    not null default 7,
  add column cancel_at_period_end boolean     not null default false,
  add column cancelled_at         timestamptz,
  add column cancelled_by         uuid,
  add column cancel_reason        text        not null default '',
  add column suspended_at         timestamptz,
  add column suspend_reason       text        not null default '',
  add column lifted_at            timestamptz,
  add column updated_at           timestamptz not null default now(),
  add constraint subscription_payment_status_check check (payment_status in ('PAID','PENDING','FAILED','OVERDUE','CANCELLED')),
  add constraint subscription_numbers_check check (storefronts >= 1 and amount_minor > 0 and anchor_day between 1 and 31 and grace_period_days between 0 and 60),
  add constraint subscription_period_check check (period_end >= period_start),
  add constraint subscription_suspended_check check ((status = 'SUSPENDED') = (suspended_at is not null));
comment on column billing.subscription.anchor_day is 'The day of the month on which paid months begin, in the business''s zone: after Jan 31 and Feb 28 comes Mar 31. Null before the first payment.';
comment on column billing.subscription.period_end is 'The status is as it was written last; what it is now also follows from period_end, see billing.subscription_standing and billing.Subscription.StatusAt.';

create index subscription_due on billing.subscription (period_end) where status in ('TRIAL', 'ACTIVE', 'PAST_DUE');

-- The arrows of a subscription. A suspension is lifted only together with lifted_at, which no payment writes; the gateway may cancel and nothing else.
create function billing.check_subscription() returns trigger language plpgsql as $$
begin
  if current_user = 'makola_gateway' and (new.status not in (old.status, 'CANCELLED') or old.status = 'SUSPENDED') then
    raise exception 'a subscription does not go from % to % this way', old.status, new.status using errcode = 'check_violation', constraint = 'subscription_arrows';
  end if;
  if new.status = old.status or new.status = 'SUSPENDED' then
    return new;
  end if;
  if old.status = 'SUSPENDED' and new.lifted_at is not distinct from old.lifted_at
     or old.status <> 'SUSPENDED' and (old.status, new.status) not in (
       ('INACTIVE', 'ACTIVE'), ('TRIAL', 'ACTIVE'), ('TRIAL', 'INACTIVE'), ('ACTIVE', 'PAST_DUE'), ('ACTIVE', 'CANCELLED'),
       ('PAST_DUE', 'ACTIVE'), ('PAST_DUE', 'EXPIRED'), ('EXPIRED', 'ACTIVE'), ('CANCELLED', 'ACTIVE')) then
    raise exception 'a subscription does not go from % to % this way', old.status, new.status using errcode = 'check_violation', constraint = 'subscription_arrows';
  end if;
  return new;
end $$;
create trigger subscription_arrows before update on billing.subscription for each row execute function billing.check_subscription();

create table billing.subscription_payment (
  id                uuid        not null,
  tenant_id         uuid        not null,
  user_id           uuid        not null,
  reference         text        not null,
  provider          text        not null,
  storefronts       int         not null,
  tier              jsonb       not null,
  base_minor        bigint      not null,
  tax_lines         jsonb       not null default '[]',
  tax_minor         bigint      not null,
  amount_expected   bigint      not null,
  currency          char(3)     not null,
  status            text        not null default 'PENDING',
  attempt           int         not null,
  previous_attempt  uuid,
  period_start      timestamptz,
  period_end        timestamptz,
  authorization_url text,
  access_code       text,
  amount_received   bigint,
  currency_received text,
  provider_txn_id   text,
  review_reason     text,
  completed_at      timestamptz,
  refunded_at       timestamptz,
  checks            int         not null default 0,
  checked_at        timestamptz,
  created_at        timestamptz not null default now(),
  updated_at        timestamptz not null default now(),
  constraint subscription_payment_pkey primary key (id),
  constraint subscription_payment_tenant_key unique (tenant_id, id), -- also what a business's list is read by
  constraint subscription_payment_reference_key unique (reference),
  constraint subscription_payment_subscription_fkey foreign key (tenant_id) references billing.subscription (tenant_id),
  constraint subscription_payment_previous_fkey foreign key (tenant_id, previous_attempt) references billing.subscription_payment (tenant_id, id),
  constraint subscription_payment_status_check check (status in ('PENDING','SUCCESSFUL','FAILED','CANCELLED','REFUNDED','REVIEW','EXPIRED','DISPUTED')),
  constraint subscription_payment_period_check check ((period_start is null) = (period_end is null) and (completed_at is null) = (period_start is null) and period_end > period_start),
  constraint subscription_payment_amounts_check check (storefronts >= 1 and base_minor > 0 and tax_minor >= 0 and amount_expected = base_minor + tax_minor and attempt >= 1)
) with (fillfactor = 80);
create unique index subscription_payment_provider_txn_key on billing.subscription_payment (provider, provider_txn_id) where provider_txn_id is not null;
create index subscription_payment_pending on billing.subscription_payment (created_at) where status = 'PENDING';
comment on table billing.subscription_payment is 'One payment for one month. Never deleted. tier and tax_lines are as they were when it was priced; the period is the month that it paid for, once it has.';

-- The arrows of a payment: the same as those of a credit purchase, and a pending one may be cancelled, which is all that the gateway may do.
create function billing.check_subscription_payment() returns trigger language plpgsql as $$
begin
  if new.status <> old.status and ((old.status, new.status) not in (
       ('PENDING', 'SUCCESSFUL'), ('PENDING', 'FAILED'), ('PENDING', 'CANCELLED'), ('PENDING', 'EXPIRED'), ('PENDING', 'REVIEW'), ('PENDING', 'REFUNDED'),
       ('FAILED', 'SUCCESSFUL'), ('FAILED', 'REVIEW'), ('FAILED', 'REFUNDED'), ('EXPIRED', 'SUCCESSFUL'), ('EXPIRED', 'REVIEW'), ('EXPIRED', 'REFUNDED'),
       ('CANCELLED', 'REVIEW'), ('CANCELLED', 'REFUNDED'), ('REVIEW', 'SUCCESSFUL'), ('REVIEW', 'FAILED'), ('REVIEW', 'REFUNDED'),
       ('SUCCESSFUL', 'REFUNDED'), ('SUCCESSFUL', 'DISPUTED'), ('DISPUTED', 'REFUNDED'))
     or current_user = 'makola_gateway' and new.status <> 'CANCELLED') then
    raise exception 'a subscription payment does not go from % to % this way', old.status, new.status using errcode = 'check_violation', constraint = 'subscription_payment_arrows';
  end if;
  return new;
end $$;
create trigger subscription_payment_arrows before update on billing.subscription_payment for each row execute function billing.check_subscription_payment();

alter table billing.payment_review
  add column payment_id uuid,
  add constraint payment_review_payment_fkey foreign key (tenant_id, payment_id) references billing.subscription_payment (tenant_id, id),
  add constraint payment_review_product_check check (purchase_id is null or payment_id is null);
comment on column billing.payment_review.payment_id is 'The subscription payment that the review is about; purchase_id is then null.';

alter table billing.ledger_account drop constraint ledger_account_kind_check,
  add constraint ledger_account_kind_check check (kind in ('credits','credits_debt','credits_issued','provider_receivable','credit_sales','subscription_sales','suspense'));
alter table billing.ledger_transfer drop constraint ledger_transfer_kind_check,
  add constraint ledger_transfer_kind_check check (kind in ('purchase','trial','grant','suspense','expiry','usage','refund','reversal','settlement','write_off','subscription'));

alter table billing.subscription_payment enable row level security;
alter table billing.subscription_payment force row level security;
create policy subscription_payment_tenant on billing.subscription_payment
  using (tenant_id = any ((select app.tenants())::uuid[])) with check (tenant_id = any ((select app.tenants())::uuid[]));
-- A provider names a reference, not a tenant. Reading only: the worker binds to the businesses it found before it writes.
create policy subscription_payment_match on billing.subscription_payment for select to makola_billing, makola_operator using ((select app.is_system()));

create policy subscription_sweep on billing.subscription for select to makola_billing using ((select app.is_system()));

-- What a subscription is now, for those who only show it. The rule is that of billing.Subscription.StatusAt; a test holds the two together.
create view billing.subscription_standing with (security_invoker = true) as
select s.tenant_id,
       case when s.status not in ('TRIAL', 'ACTIVE', 'PAST_DUE') or now() < s.period_end then s.status
            when s.status = 'TRIAL' then 'INACTIVE'
            when s.cancel_at_period_end then 'CANCELLED'
            when (now() at time zone b.timezone)::date > (s.period_end at time zone b.timezone)::date + s.grace_period_days then 'EXPIRED'
            else 'PAST_DUE' end as status
  from billing.subscription s join accounts.business b on b.id = s.tenant_id;

grant usage on schema accounts to makola_operator;
grant select (id, timezone) on accounts.business to makola_operator;
grant select on billing.subscription_standing to makola_gateway, makola_billing, makola_operator;
grant select on billing.pricing_tier to makola_gateway, makola_billing, makola_operator;
grant update (status, payment_status, cancel_at_period_end, cancelled_at, cancelled_by, cancel_reason, updated_at) on billing.subscription to makola_gateway;
grant update (status, payment_status, storefronts, amount_minor, currency, anchor_day, is_trial, period_start, period_end, cancel_at_period_end, cancelled_at, cancelled_by,
              cancel_reason, suspended_at, suspend_reason, lifted_at, updated_at) on billing.subscription to makola_billing;
grant select on billing.subscription, billing.subscription_payment to makola_operator;
grant select, insert on billing.subscription_payment to makola_gateway;
grant update (status, authorization_url, access_code, updated_at) on billing.subscription_payment to makola_gateway; -- it may start a checkout or cancel, never complete
grant select on billing.subscription_payment to makola_billing;
grant update (status, period_start, period_end, amount_received, currency_received, provider_txn_id, review_reason, completed_at, refunded_at, checks, checked_at, updated_at)
  on billing.subscription_payment to makola_billing;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
drop view billing.subscription_standing;
revoke select (id, timezone) on accounts.business from makola_operator;
revoke usage on schema accounts from makola_operator;
revoke select on billing.subscription from makola_operator;
revoke update (status, payment_status, cancel_at_period_end, cancelled_at, cancelled_by, cancel_reason, updated_at) on billing.subscription from makola_gateway, makola_billing;
revoke update (is_trial, period_start, period_end) on billing.subscription from makola_billing;
alter table billing.ledger_transfer drop constraint ledger_transfer_kind_check,
  add constraint ledger_transfer_kind_check check (kind in ('purchase','trial','grant','suspense','expiry','usage','refund','reversal','settlement','write_off'));
alter table billing.ledger_account drop constraint ledger_account_kind_check,
  add constraint ledger_account_kind_check check (kind in ('credits','credits_debt','credits_issued','provider_receivable','credit_sales','suspense'));
alter table billing.payment_review drop constraint payment_review_product_check, drop constraint payment_review_payment_fkey, drop column payment_id;
drop table billing.subscription_payment;
drop function billing.check_subscription_payment();
drop policy subscription_sweep on billing.subscription;
drop index billing.subscription_due;
drop trigger subscription_arrows on billing.subscription;
drop function billing.check_subscription();
alter table billing.subscription drop constraint subscription_suspended_check, drop constraint subscription_period_check, drop constraint subscription_numbers_check,
  drop constraint subscription_payment_status_check,
  drop column updated_at, drop column lifted_at, drop column suspend_reason, drop column suspended_at, drop column cancel_reason, drop column cancelled_by, drop column cancelled_at,
  drop column cancel_at_period_end, drop column grace_period_days, drop column auto_renew, drop column anchor_day, drop column currency, drop column amount_minor,
  drop column storefronts, drop column payment_status;
drop table billing.pricing_tier;
-- +goose StatementEnd
