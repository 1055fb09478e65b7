-- Owner: pkg/notifications. Why: notices that people read in the application, who has read them, and mails that a business does not want.
-- Locks: ACCESS EXCLUSIVE on notifications.email for an instant (the new check is not verified against old rows, which the old one covered). Long on a big table: no.
-- Back: Down, once no mail is suppressed (notices are lost).
-- +goose Up
-- +goose StatementBegin
create table notifications.notice (
  tenant_id  uuid        not null,
  id         uuid        not null,
  user_id    uuid,
  permission text        not null default '',
  kind       text        not null,
  priority   text        not null,
  title      text        not null,
  body       text        not null default '',
  link       text        not null default '',
  data       jsonb       not null default '{}',
  dedupe_key text        not null,
  created_at timestamptz not null default now(),
  xact       xid8        not null default pg_current_xact_id(),
  constraint notice_pkey primary key (tenant_id, id),
  constraint notice_dedupe_key unique (tenant_id, dedupe_key),
  constraint notice_kind_check check (kind ~ '^[A-Z][A-Z_]{2,40}$'),
  constraint notice_priority_check check (priority in ('LOW','MEDIUM','HIGH','CRITICAL')),
  constraint notice_link_check check (link = '' or link ~ '^/([^/\\]|$)'),
  constraint notice_length_check check (length(title) between 1 and 200 and length(body) <= 2000 and length(link) <= 500 and length(dedupe_key) between 1 and 200
    and jsonb_typeof(data) = 'object' and pg_column_size(data) <= 8192)
);
create index notice_xact on notifications.notice (tenant_id, xact);
create index notice_created on notifications.notice (created_at);
comment on table notifications.notice is 'What people are told in the application. user_id null is for every member who has the permission; an empty permission asks for none.';
comment on column notifications.notice.xact is 'The transaction that posted it. A stream sends what has become visible since the snapshot that it looked with last; ids and times become visible out of order.';

create table notifications.notice_state (
  tenant_id    uuid not null,
  notice_id    uuid not null,
  user_id      uuid not null,
  read_at      timestamptz,
  dismissed_at timestamptz,
  constraint notice_state_pkey primary key (tenant_id, notice_id, user_id),
  constraint notice_state_notice_fkey foreign key (tenant_id, notice_id) references notifications.notice (tenant_id, id) on delete cascade
);
comment on table notifications.notice_state is 'What one person did with a notice. Without a row: nothing yet.';

alter table notifications.notice enable row level security;
alter table notifications.notice force row level security;
create policy notice_tenant on notifications.notice
  using (tenant_id = any ((select app.tenants())::uuid[])) with check (tenant_id = any ((select app.tenants())::uuid[]));
-- Housekeeping deletes for all tenants; it may read which rows are old, not what they say.
create policy notice_prune on notifications.notice to makola_cron using (app.is_system());
alter table notifications.notice_state enable row level security;
alter table notifications.notice_state force row level security;
create policy notice_state_tenant on notifications.notice_state
  using (tenant_id = any ((select app.tenants())::uuid[])) with check (tenant_id = any ((select app.tenants())::uuid[]));

alter table notifications.email drop constraint email_state_check;
alter table notifications.email add constraint email_state_check check (state in ('queued','sent','refused','suppressed')) not valid;
comment on column notifications.email.error is 'Why a mail was refused, or which switch suppressed it.';

grant usage on schema notifications to makola_gateway, makola_inventory, makola_reports, makola_cron;
grant select on notifications.notice to makola_gateway;
grant select, insert, update (read_at, dismissed_at) on notifications.notice_state to makola_gateway;
grant insert, select (tenant_id, id, dedupe_key) on notifications.notice to makola_billing, makola_inventory, makola_reports, makola_notifier;
grant delete, select (tenant_id, id, created_at) on notifications.notice to makola_cron;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
revoke usage on schema notifications from makola_gateway, makola_inventory, makola_reports, makola_cron;
alter table notifications.email drop constraint email_state_check;
alter table notifications.email add constraint email_state_check check (state in ('queued','sent','refused'));
drop table notifications.notice_state, notifications.notice;
-- +goose StatementEnd
