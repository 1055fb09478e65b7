-- Owner: pkg/billing. Why: parts of a payment that go back, each counted once under whatever names a provider tells of it; and refunds that were asked for but not answered.
-- And for cron's housekeeping: the right to delete tokens that have ended, and the way to them.
-- Locks: short exclusive ones on billing.credit_purchase, subscription_payment and webhook_event, to add columns; accounts.refresh_token and the tables of mailed tokens take no writes
-- while they are indexed. Long on a big table: a second or so per million refresh tokens; the columns' defaults are constants.
-- Back: Down, which forgets which parts went back; the ledger keeps what was booked for them.
-- +goose Up
-- +goose StatementBegin
alter table billing.credit_purchase add column amount_returned bigint not null default 0, add column credits_owed bigint not null default 0;
comment on column billing.credit_purchase.amount_returned is 'What is known to have gone back of the payment, in minor units of its currency; of purchases that were refunded before this column came, zero.';
comment on column billing.credit_purchase.credits_owed is 'What was spent of the credits before their money went back: its part of the account credits_debt.';
alter table billing.subscription_payment add column amount_returned bigint not null default 0;
alter table billing.webhook_event add column returned_total bigint;
comment on column billing.webhook_event.returned_total is 'What the provider says was given back of the payment so far, for events about refunds that say so.';

create table billing.payment_return (
  id           uuid        not null,
  tenant_id    uuid        not null,
  purchase_id  uuid,
  payment_id   uuid,
  scope        text        not null,
  source       text        not null,
  case_id      text        not null,
  amount_minor bigint      not null,
  created_at   timestamptz not null default now(),
  constraint payment_return_pkey primary key (id),
  constraint payment_return_key unique nulls not distinct (purchase_id, payment_id, scope, source, case_id),
  constraint payment_return_purchase_fkey foreign key (tenant_id, purchase_id) references billing.credit_purchase (tenant_id, id),
  constraint payment_return_payment_fkey foreign key (tenant_id, payment_id) references billing.subscription_payment (tenant_id, id),
  constraint payment_return_product_check check ((purchase_id is null) <> (payment_id is null)),
  constraint payment_return_source_check check (source in ('told','asked','dispute','total') and amount_minor > 0)
);
comment on table billing.payment_return is 'Each thing that a provider said about money going back, under the name it used there: one refund may have several. scope is empty for the payment''s own money, and else says whose.';
create index payment_return_payment on billing.payment_return (payment_id) where payment_id is not null;

create table billing.refund_request (
  task_id      uuid        not null,
  tenant_id    uuid        not null,
  reference    text        not null,
  amount_minor bigint      not null,
  currency     char(3)     not null,
  created_at   timestamptz not null default now(),
  constraint refund_request_pkey primary key (task_id)
);
comment on table billing.refund_request is 'Partial refunds that a provider was, or was about to be, asked for. It is written before the question, so that one whose answer was lost is not asked for twice.';

do $$
declare t text;
begin
  foreach t in array array['payment_return','refund_request'] loop
    execute format('alter table billing.%I enable row level security', t);
    execute format('alter table billing.%I force row level security', t);
    execute format('create policy %I on billing.%I using (tenant_id = any ((select app.tenants())::uuid[])) with check (tenant_id = any ((select app.tenants())::uuid[]))', t || '_tenant', t);
  end loop;
end $$;
grant select, insert on billing.payment_return, billing.refund_request to makola_billing;
grant update (amount_returned, credits_owed) on billing.credit_purchase to makola_billing;
grant update (amount_returned) on billing.subscription_payment to makola_billing;

create index refresh_token_expiry on accounts.refresh_token (expires_at);
create index email_verification_token_expiry on accounts.email_verification_token (expires_at);
create index password_reset_token_expiry on accounts.password_reset_token (expires_at);
grant usage on schema accounts to makola_cron;
grant select (id, family_id, expires_at, revoked_at) on accounts.refresh_token to makola_cron;
grant select (id, expires_at) on accounts.email_verification_token, accounts.password_reset_token to makola_cron;
grant delete on accounts.refresh_token, accounts.email_verification_token, accounts.password_reset_token to makola_cron;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
revoke delete on accounts.refresh_token, accounts.email_verification_token, accounts.password_reset_token from makola_cron;
revoke select (id, family_id, expires_at, revoked_at) on accounts.refresh_token from makola_cron;
revoke select (id, expires_at) on accounts.email_verification_token, accounts.password_reset_token from makola_cron;
revoke usage on schema accounts from makola_cron;
drop index accounts.refresh_token_expiry, accounts.email_verification_token_expiry, accounts.password_reset_token_expiry;
drop table billing.refund_request, billing.payment_return;
alter table billing.webhook_event drop column returned_total;
alter table billing.subscription_payment drop column amount_returned;
alter table billing.credit_purchase drop column credits_owed, drop column amount_returned;
-- +goose StatementEnd
