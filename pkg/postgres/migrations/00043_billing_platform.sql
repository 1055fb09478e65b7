-- Owner: pkg/billing. Why: those who run Makola change prices and taxes through billing-worker, and see how the whole stands, from the API.
-- Locks: ACCESS EXCLUSIVE on billing.subscription, subscription_payment and invoice for an instant (policies are added). Long on a big table: no. Back: Down.
-- +goose Up
-- +goose StatementBegin
-- A price that was asked for stays what it was: a tier is retired and another one takes its place. A tax that was charged stays, too: it ends, and another one begins.
grant insert, update (is_active) on billing.pricing_tier to makola_billing;
grant insert, update (effective_until) on billing.tax_rate to makola_billing;

-- The views run with their owner's rights, and are empty outside platform transactions: sums over all businesses, and nothing of any one.
create policy subscription_stats on billing.subscription for select to makola_owner using ((select app.is_system()));
create policy subscription_payment_stats on billing.subscription_payment for select to makola_owner using ((select app.is_system()));
create policy invoice_stats on billing.invoice for select to makola_owner using ((select app.is_system()));

create view billing.v_platform_subscriptions with (security_barrier = true) as
-- The status is that of billing.subscription_standing, which looks with its reader's rights and would see no business here.
select case when s.status not in ('TRIAL', 'ACTIVE', 'PAST_DUE') or now() < s.period_end then s.status
            when s.status = 'TRIAL' then 'INACTIVE'
            when s.cancel_at_period_end then 'CANCELLED'
            when (now() at time zone b.timezone)::date > (s.period_end at time zone b.timezone)::date + s.grace_period_days then 'EXPIRED'
            else 'PAST_DUE' end as status,
       s.currency::text as currency, count(*) as businesses, coalesce(sum(s.storefronts), 0)::bigint as storefronts, coalesce(sum(s.amount_minor), 0)::bigint as monthly_minor
  from billing.subscription s join accounts.business b on b.id = s.tenant_id
 where (select app.is_system()) group by 1, 2;
comment on view billing.v_platform_subscriptions is 'How many active businesses have a subscription of each state, and what they last paid for a month, with tax.';

create view billing.v_platform_revenue with (security_barrier = true) as
select to_char(p.completed_at at time zone 'UTC', 'YYYY-MM') as month, p.currency::text as currency, count(*) as payments, sum(p.amount_expected - least(p.amount_returned, p.amount_expected))::bigint as paid_minor
  from billing.subscription_payment p where (select app.is_system()) and p.completed_at is not null group by 1, 2;
comment on view billing.v_platform_revenue is 'What was paid for months, with tax and less what went back, by the month in which it was paid.';

create view billing.v_platform_invoices with (security_barrier = true) as
select i.status, i.currency::text as currency, count(*) as invoices, sum(i.total_minor)::bigint as total_minor from billing.invoice i where (select app.is_system()) group by i.status, i.currency;
comment on view billing.v_platform_invoices is 'Invoices by their state.';

grant select on billing.v_platform_subscriptions, billing.v_platform_revenue, billing.v_platform_invoices to makola_gateway;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
drop view billing.v_platform_invoices, billing.v_platform_revenue, billing.v_platform_subscriptions;
drop policy invoice_stats on billing.invoice;
drop policy subscription_payment_stats on billing.subscription_payment;
drop policy subscription_stats on billing.subscription;
revoke insert, update (effective_until) on billing.tax_rate from makola_billing;
revoke insert, update (is_active) on billing.pricing_tier from makola_billing;
-- +goose StatementEnd
