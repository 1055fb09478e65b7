-- Owner: pkg/notifications. Why: a business names anybody as a recipient of its exports. An address that its mail server refuses, or whose owner wants no more, gets no more of them.
-- Locks: none, the table is new. Long on a big table: no.
-- Back: Down; whoever has stopped the mails gets them again. Yesterday's binaries go on: they do not ask.
-- +goose Up
-- +goose StatementBegin
create table notifications.blocked_recipient (
  tenant_id  uuid        not null,
  address    text        not null,
  reason     text        not null,
  detail     text        not null default '',
  blocked_at timestamptz not null default clock_timestamp(),
  constraint blocked_recipient_pkey primary key (tenant_id, address),
  constraint blocked_recipient_reason_check check (reason in ('BOUNCED','STOPPED')),
  constraint blocked_recipient_address_check check (length(address) between 3 and 254 and address = lower(address))
);
comment on table notifications.blocked_recipient is 'Who gets no exports of a business any more. BOUNCED ends when the business names the address anew, STOPPED when its owner says so.';
comment on column notifications.blocked_recipient.detail is 'What the mail server said.';
alter table notifications.blocked_recipient enable row level security;
alter table notifications.blocked_recipient force row level security;
create policy blocked_recipient_tenant on notifications.blocked_recipient
  using (tenant_id = any ((select app.tenants())::uuid[])) with check (tenant_id = any ((select app.tenants())::uuid[]));

grant select, insert, update on notifications.blocked_recipient to makola_notifier;
grant select, insert, update, delete on notifications.blocked_recipient to makola_gateway;
-- +goose StatementEnd

-- +goose Down
drop table notifications.blocked_recipient;
