-- Owner: pkg/notifications. Why: every mail is a row before it is a message, so that one event is one mail.
-- Locks: none, the table is new. Long on a big table: no. Back: Down.
-- +goose Up
-- +goose StatementBegin
create schema notifications;

create table notifications.email (
  id          uuid        not null,
  tenant_id   uuid,
  key         text        not null,
  recipient   text        not null,
  template    text        not null,
  data        jsonb       not null default '{}',
  state       text        not null default 'queued',
  subject     text,
  body_text   text,
  body_html   text,
  message_id  text,
  error       text,
  created_at  timestamptz not null default now(),
  rendered_at timestamptz,
  sent_at     timestamptz,
  constraint email_pkey primary key (id),
  constraint email_state_check check (state in ('queued','sent','refused'))
);
create unique index email_key on notifications.email (tenant_id, key) nulls not distinct;
comment on column notifications.email.key is 'Names the event, for example welcome:<user>. One key is one mail, however often the event is handled.';
alter table notifications.email enable row level security;
alter table notifications.email force row level security;
create policy email_tenant on notifications.email
  using (tenant_id = any ((select app.tenants())::uuid[]))
  with check (tenant_id = any ((select app.tenants())::uuid[]));
create policy email_platform on notifications.email
  using (tenant_id is null and (select app.is_system()))
  with check (tenant_id is null and (select app.is_system()));

grant usage on schema notifications to makola_notifier, makola_billing;
grant select, insert, update on notifications.email to makola_notifier;
grant select (id, tenant_id, key), insert on notifications.email to makola_billing;
-- +goose StatementEnd

-- +goose Down
drop schema notifications cascade;
