-- Owner: pkg/billing. Why: months that are paid for are found without reading all payments.
-- Locks: SHARE on billing.subscription_payment while the index is built, during which payments wait to settle. Long on a big table: a second or so per million payments.
-- Back: Down.
-- +goose Up
create index subscription_payment_paid on billing.subscription_payment (period_end) where status in ('SUCCESSFUL', 'DISPUTED');

-- +goose Down
drop index billing.subscription_payment_paid;
