-- Owner: pkg/billing. Why: service charges on subscriptions, dated as taxes are, and taxes that have not begun may still be put right.
-- Locks: ACCESS EXCLUSIVE on billing.subscription_payment and invoice (columns with a constant default, and a check that is replaced). Long on a big table: the new checks read
-- each table once, a second or so per million rows, while writers wait. Back: Down, once no payment or invoice has a charge.
-- +goose Up
-- +goose StatementBegin
create table billing.service_charge (
  code            text not null,
  name            text not null,
  kind            text not null,
  rate_bp         int,
  amount_minor    bigint,
  applies_to      text not null default 'SUBTOTAL',
  provider        text,
  effective_from  date not null,
  effective_until date,
  constraint service_charge_pkey primary key (code, effective_from),
  constraint service_charge_code_check check (code ~ '^[A-Z][A-Z0-9_]{0,19}$' and length(name) between 1 and 100),
  constraint service_charge_kind_check check (kind = 'PERCENTAGE' and rate_bp between 1 and 10000 and amount_minor is null or kind = 'FIXED' and amount_minor between 1 and 100000000 and rate_bp is null),
  constraint service_charge_applies_to_check check (applies_to in ('SUBTOTAL','TOTAL')),
  constraint service_charge_provider_check check (provider in ('paystack','flutterwave','stripe')),
  constraint service_charge_days_check check (effective_until >= effective_from - 1)
);
comment on table billing.service_charge is 'What is charged on a month besides its price and taxes, by the day of the charge. One that ends the day before it begins never holds.';
comment on column billing.service_charge.rate_bp is 'Of PERCENTAGE: basis points of the price before tax (SUBTOTAL), or of the price and its taxes (TOTAL). amount_minor, of FIXED, is in pesewas.';
comment on column billing.service_charge.provider is 'Whose payments are charged it; null: every provider''s.';

-- What was charged is kept as it was, beside the taxes. Binaries of yesterday write neither column, and charge nothing.
alter table billing.subscription_payment
  add column charge_lines  jsonb  not null default '[]',
  add column charges_minor bigint not null default 0,
  drop constraint subscription_payment_amounts_check,
  add constraint subscription_payment_amounts_check
    check (storefronts >= 1 and base_minor > 0 and tax_minor >= 0 and charges_minor >= 0 and amount_expected = base_minor + tax_minor + charges_minor and attempt >= 1);
alter table billing.invoice
  add column charge_lines  jsonb  not null default '[]',
  add column charges_minor bigint not null default 0,
  drop constraint invoice_amounts_check,
  add constraint invoice_amounts_check check (storefronts >= 1 and base_minor > 0 and tax_minor >= 0 and charges_minor >= 0 and total_minor = base_minor + tax_minor + charges_minor and reminders between 0 and 6);

-- History is never rewritten, whoever asks: of a row whose day has come only the end may move, and that not into the past.
create function billing.check_dated_rate() returns trigger language plpgsql as $$
declare
  today constant date := (now() at time zone 'UTC')::date;
begin
  if old.effective_from <= today and (to_jsonb(new) - 'effective_until' <> to_jsonb(old) - 'effective_until'
     or new.effective_until is distinct from old.effective_until and (old.effective_until < today or new.effective_until < today)) then
    raise exception '% of % is charged already', old.code, old.effective_from using errcode = 'check_violation', constraint = 'dated_rate_history';
  end if;
  return new;
end $$;
create trigger dated_rate_history before update on billing.service_charge for each row execute function billing.check_dated_rate();
create trigger dated_rate_history before update on billing.tax_rate for each row execute function billing.check_dated_rate();

grant select on billing.service_charge to makola_gateway, makola_billing, makola_notifier;
grant insert, update (name, kind, rate_bp, amount_minor, applies_to, provider, effective_until) on billing.service_charge to makola_billing;
grant update (name, rate_bp, applies_to, calculation_order) on billing.tax_rate to makola_billing;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
revoke update (name, rate_bp, applies_to, calculation_order) on billing.tax_rate from makola_billing;
drop trigger dated_rate_history on billing.tax_rate;
alter table billing.invoice drop constraint invoice_amounts_check, drop column charges_minor, drop column charge_lines,
  add constraint invoice_amounts_check check (storefronts >= 1 and base_minor > 0 and tax_minor >= 0 and total_minor = base_minor + tax_minor and reminders between 0 and 6);
alter table billing.subscription_payment drop constraint subscription_payment_amounts_check, drop column charges_minor, drop column charge_lines,
  add constraint subscription_payment_amounts_check check (storefronts >= 1 and base_minor > 0 and tax_minor >= 0 and amount_expected = base_minor + tax_minor and attempt >= 1);
drop table billing.service_charge;
drop function billing.check_dated_rate();
-- +goose StatementEnd
