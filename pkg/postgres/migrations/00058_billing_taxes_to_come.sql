-- Owner: pkg/billing. Why: a tax that was decided for a day to come, and wrongly, is decided anew; and months that are paid for are found without reading all payments.
-- Locks: ACCESS EXCLUSIVE on billing.tax_rate for an instant (a trigger); SHARE on billing.subscription_payment while the index is built, during which payments wait to settle.
-- Long on a big table: a second or so per million payments. Back: Down.
-- +goose Up
-- +goose StatementBegin
grant update (name, rate_bp, applies_to, calculation_order) on billing.tax_rate to makola_billing;
create function billing.check_tax_rate() returns trigger language plpgsql as $$
begin
  if old.effective_from <= (now() at time zone 'UTC')::date and (new.name, new.rate_bp, new.applies_to, new.calculation_order) is distinct from (old.name, old.rate_bp, old.applies_to, old.calculation_order) then
    raise exception 'permission denied to change tax %, which has been charged since %', old.code, old.effective_from using errcode = 'insufficient_privilege';
  end if;
  return new;
end $$;
create trigger tax_rate_charged before update on billing.tax_rate for each row execute function billing.check_tax_rate();

create index subscription_payment_paid on billing.subscription_payment (period_end) where status in ('SUCCESSFUL', 'DISPUTED');
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
drop index billing.subscription_payment_paid;
drop trigger tax_rate_charged on billing.tax_rate;
drop function billing.check_tax_rate();
revoke update (name, rate_bp, applies_to, calculation_order) on billing.tax_rate from makola_billing;
-- +goose StatementEnd
