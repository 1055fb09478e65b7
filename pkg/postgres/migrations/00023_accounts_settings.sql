-- Owner: pkg/accounts. Why: what a business has chosen: receipts, reorder levels, who approves, which mails it wants and when.
-- Locks: ACCESS EXCLUSIVE on accounts.business while one row per business is inserted. Long on a big table: no, 100,000 businesses take about a second.
-- Back: Down (the choices are lost).
-- +goose Up
-- +goose StatementBegin
create table accounts.business_settings (
  tenant_id           uuid        not null,
  language            text        not null default 'en',
  receipt_header      text        not null default '',
  receipt_footer      text        not null default '',
  receipt_taxes       boolean     not null default true,
  receipt_barcode     boolean     not null default true,
  receipt_paper       text        not null default 'thermal-80mm',
  sales_tax_bp        integer     not null default 0,
  reorder_level       bigint      not null default 10,
  separate_approver   boolean,
  email_notifications boolean     not null default true,
  low_stock_alerts    boolean     not null default true,
  sales_updates       boolean     not null default true,
  system_updates      boolean     not null default true,
  marketing_emails    boolean     not null default false,
  sms_notifications   boolean     not null default false,
  push_notifications  boolean     not null default false,
  quiet_start         time(0),
  quiet_end           time(0),
  updated_at          timestamptz not null default now(),
  constraint business_settings_pkey primary key (tenant_id),
  constraint business_settings_business_fkey foreign key (tenant_id) references accounts.business (id),
  constraint business_settings_language_check check (language in ('en','fr','es')),
  constraint business_settings_receipt_check check (length(receipt_header) <= 500 and length(receipt_footer) <= 500 and receipt_paper in ('thermal-80mm','a4')),
  constraint business_settings_numbers_check check (sales_tax_bp between 0 and 10000 and reorder_level between 0 and 1000000),
  constraint business_settings_quiet_check check ((quiet_start is null) = (quiet_end is null) and quiet_start <> quiet_end)
);
comment on table accounts.business_settings is 'One row per business. Currency and time zone stand in accounts.business.';
comment on column accounts.business_settings.separate_approver is 'Whether who approves an adjustment must be another than who made it; null: as soon as the business has more than one member.';
comment on column accounts.business_settings.quiet_start is 'From here to quiet_end, in the business''s zone and perhaps over midnight, no mail goes out that can wait.';

alter table accounts.business no force row level security;
insert into accounts.business_settings (tenant_id) select id from accounts.business;
alter table accounts.business force row level security;

alter table accounts.business_settings enable row level security;
alter table accounts.business_settings force row level security;
create policy business_settings_tenant on accounts.business_settings
  using (tenant_id = any ((select app.tenants())::uuid[])) with check (tenant_id = any ((select app.tenants())::uuid[]));

-- A trigger, so that a business that yesterday's gateway opens has its row as well.
create function accounts.open_settings() returns trigger language plpgsql as $$
begin
  insert into accounts.business_settings (tenant_id) values (new.id);
  return null;
end $$;
create trigger business_settings after insert on accounts.business for each row execute function accounts.open_settings();

-- What other contexts read. separate_approver is decided here.
create view accounts.v_settings with (security_invoker = true) as
select b.id as tenant_id, b.currency, b.timezone, s.language, s.receipt_header, s.receipt_footer, s.receipt_taxes, s.receipt_barcode, s.receipt_paper, s.sales_tax_bp, s.reorder_level,
       coalesce(s.separate_approver, (select count(*) > 1 from accounts.membership m where m.tenant_id = b.id and m.is_active)) as separate_approver,
       s.separate_approver as separate_approver_chosen,
       s.email_notifications, s.low_stock_alerts, s.sales_updates, s.system_updates, s.marketing_emails, s.sms_notifications, s.push_notifications, s.quiet_start, s.quiet_end
  from accounts.business b join accounts.business_settings s on s.tenant_id = b.id;

grant usage on schema accounts to makola_inventory, makola_reports;
grant select (id, currency, timezone) on accounts.business to makola_inventory, makola_reports;
grant select (tenant_id, is_active) on accounts.membership to makola_inventory, makola_reports, makola_billing;
grant select on accounts.business_settings, accounts.v_settings to makola_gateway, makola_notifier, makola_inventory, makola_reports, makola_billing;
grant insert, update on accounts.business_settings to makola_gateway;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
revoke select (tenant_id, is_active) on accounts.membership from makola_inventory, makola_reports, makola_billing;
revoke select (id, currency, timezone) on accounts.business from makola_inventory, makola_reports;
revoke usage on schema accounts from makola_inventory, makola_reports;
drop view accounts.v_settings;
drop trigger business_settings on accounts.business;
drop function accounts.open_settings();
drop table accounts.business_settings;
-- +goose StatementEnd
