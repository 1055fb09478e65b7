-- Owner: pkg/billing. Why: refunds and disputes, grants and reversals, decisions about reviews, and what became of each webhook.
-- Locks: short exclusive ones on billing.credit_purchase, ledger_account, ledger_transfer, webhook_event and payment_review. Long on a big table: the changed checks
-- read each table once, a second or so per million rows, while writers wait. Back: Down, once no row uses what it takes away.
-- +goose Up
-- +goose StatementBegin
alter table billing.credit_purchase add column credits_agreed bigint, add column refunded_at timestamptz;
comment on column billing.credit_purchase.credits_agreed is 'What an operator agreed to credit when they approved a review; null means credits and bonus as bought.';
alter table billing.credit_purchase drop constraint credit_purchase_status_check,
  add constraint credit_purchase_status_check check (status in ('pending','completed','failed','refunded','review','expired','disputed')),
  add constraint credit_purchase_agreed_check check (credits_agreed > 0);
alter table billing.ledger_account drop constraint ledger_account_kind_check,
  add constraint ledger_account_kind_check check (kind in ('credits','credits_debt','credits_issued','provider_receivable','credit_sales','suspense')),
  add constraint ledger_account_debt_check check (kind <> 'credits_debt' or balance <= 0);
alter table billing.ledger_transfer drop constraint ledger_transfer_kind_check,
  add constraint ledger_transfer_kind_check check (kind in ('purchase','trial','grant','suspense','expiry','usage','refund','reversal','settlement','write_off'));

alter table billing.webhook_event
  add column kind         text not null default 'charge',
  add column return_state text not null default '',
  add column case_id      text not null default '',
  add column task_id      uuid;
comment on column billing.webhook_event.kind is 'charge, refund or dispute; empty for what is about something else. return_state and case_id speak of a refund or dispute.';
comment on column billing.webhook_event.task_id is 'The task that acts on the event; null for events that nothing acts on, and for those of older builds.';

create table billing.webhook_duplicate (
  id          uuid        not null,
  provider    text        not null,
  dedupe_key  text        not null,
  body_sha256 bytea       not null,
  received_at timestamptz not null default now(),
  constraint webhook_duplicate_pkey primary key (id)
);
create index webhook_duplicate_event on billing.webhook_duplicate (provider, dedupe_key);
comment on table billing.webhook_duplicate is 'Each time that a provider sent an event again which was stored already: nothing acted on it.';

alter table billing.payment_review
  add column credits           bigint,
  add column resolution        text,
  add column resolved_by       text,
  add column resolution_reason text,
  add column transfer_id       uuid,
  add constraint payment_review_resolution_check check (resolution in ('approved','rejected') and resolved_at is not null and resolved_by is not null and resolution_reason <> '' or resolution is null);
comment on column billing.payment_review.credits is 'The credits in question, for a refund of credits that were spent.';
create index payment_review_open on billing.payment_review (id) where resolved_at is null;

grant insert on billing.webhook_duplicate to makola_webhook, makola_billing;
grant select on billing.webhook_duplicate to makola_operator;
grant update (refunded_at, credits_agreed) on billing.credit_purchase to makola_billing;
grant update (resolved_at, resolution, resolved_by, resolution_reason, transfer_id) on billing.payment_review to makola_billing;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
drop index billing.payment_review_open;
alter table billing.payment_review drop constraint payment_review_resolution_check, drop column transfer_id, drop column resolution_reason, drop column resolved_by,
  drop column resolution, drop column credits;
revoke update (resolved_at) on billing.payment_review from makola_billing;
drop table billing.webhook_duplicate;
alter table billing.webhook_event drop column task_id, drop column case_id, drop column return_state, drop column kind;
alter table billing.ledger_transfer drop constraint ledger_transfer_kind_check,
  add constraint ledger_transfer_kind_check check (kind in ('purchase','trial','suspense','expiry','usage','refund'));
alter table billing.ledger_account drop constraint ledger_account_debt_check, drop constraint ledger_account_kind_check,
  add constraint ledger_account_kind_check check (kind in ('credits','credits_issued','provider_receivable','credit_sales','suspense'));
alter table billing.credit_purchase drop constraint credit_purchase_agreed_check, drop constraint credit_purchase_status_check,
  add constraint credit_purchase_status_check check (status in ('pending','completed','failed','refunded','review','expired')), drop column refunded_at, drop column credits_agreed;
-- +goose StatementEnd
