-- Owner: pkg/billing. Why: a subscription may change its number of storefronts with its next month, and notifier reminds owners before a subscription renews.
-- Locks: ACCESS EXCLUSIVE on billing.subscription for an instant (a column without default, a check that is not verified against old rows, whose column is null).
-- Long on a big table: no. Back: Down (changes that wait for the next month are lost).
-- +goose Up
-- +goose StatementBegin
alter table billing.subscription
  add column next_storefronts int,
  add constraint subscription_next_storefronts_check check (next_storefronts between 1 and 1000) not valid;
comment on column billing.subscription.next_storefronts is 'For how many storefronts the next month is to be paid, as its owner asked; null: as many as this one. A payment takes its place.';
comment on column billing.subscription.auto_renew is 'Whether an invoice is made for the next month before this one ends. No money moves without its payer.';

grant update (auto_renew, next_storefronts) on billing.subscription to makola_gateway;
grant update (next_storefronts) on billing.subscription to makola_billing;

-- The hourly sweep for reminders. Reading only, and the price list.
create policy subscription_remind on billing.subscription for select to makola_notifier using ((select app.is_system()));
grant usage on schema billing to makola_notifier;
grant select (tenant_id, status, payment_status, storefronts, next_storefronts, is_trial, trial_end, period_start, period_end, grace_period_days, auto_renew, anchor_day, cancel_at_period_end,
              cancelled_at, suspended_at, suspend_reason) on billing.subscription to makola_notifier;
grant select on billing.pricing_tier, billing.tax_rate to makola_notifier;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
revoke select on billing.pricing_tier, billing.tax_rate from makola_notifier;
revoke select (tenant_id, status, payment_status, storefronts, next_storefronts, is_trial, trial_end, period_start, period_end, grace_period_days, auto_renew, anchor_day, cancel_at_period_end,
               cancelled_at, suspended_at, suspend_reason) on billing.subscription from makola_notifier;
revoke usage on schema billing from makola_notifier;
drop policy subscription_remind on billing.subscription;
revoke update (auto_renew) on billing.subscription from makola_gateway;
alter table billing.subscription drop column next_storefronts;
-- +goose StatementEnd
