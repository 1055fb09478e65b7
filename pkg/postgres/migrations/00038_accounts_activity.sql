-- Owner: pkg/accounts. Why: the weekly report of what people did, its switch, and what the daily clean-up of accounts that nobody uses may do.
-- Locks: ACCESS EXCLUSIVE on accounts.business_settings for an instant (a column with a constant default); audit.entry takes no writes while it is indexed by time, which reads it once.
-- Long on a big table: about a second per five million entries of the audit log; the index is a BRIN of some kilobytes.
-- Back: Down (reports are lost; the audit log they were made from is not).
-- +goose Up
-- +goose StatementBegin
alter table accounts.business_settings add column activity_reports boolean not null default false;

-- As in 00023, with activity_reports at the end.
create or replace view accounts.v_settings with (security_invoker = true) as
select b.id as tenant_id, b.currency, b.timezone, s.language, s.receipt_header, s.receipt_footer, s.receipt_taxes, s.receipt_barcode, s.receipt_paper, s.sales_tax_bp, s.reorder_level,
       coalesce(s.separate_approver, (select count(*) > 1 from accounts.membership m where m.tenant_id = b.id and m.is_active)) as separate_approver,
       s.separate_approver as separate_approver_chosen,
       s.email_notifications, s.low_stock_alerts, s.sales_updates, s.system_updates, s.marketing_emails, s.sms_notifications, s.push_notifications, s.quiet_start, s.quiet_end,
       s.activity_reports
  from accounts.business b join accounts.business_settings s on s.tenant_id = b.id;

create table accounts.activity_report (
  id           uuid        not null,
  tenant_id    uuid        not null,
  week_start   date        not null,
  logins       bigint      not null,
  logouts      bigint      not null,
  people       bigint      not null,
  actions      bigint      not null,
  by_action    jsonb       not null,
  created_at   timestamptz not null default now(),
  constraint activity_report_pkey primary key (tenant_id, id),
  constraint activity_report_week_key unique (tenant_id, week_start),
  constraint activity_report_business_fkey foreign key (tenant_id) references accounts.business (id),
  constraint activity_report_week_check check (extract(isodow from week_start) = 1),
  constraint activity_report_numbers_check check (logins >= 0 and logouts >= 0 and people >= 0 and actions >= logins + logouts and jsonb_typeof(by_action) = 'object')
);
comment on table accounts.activity_report is 'What the people of a business did in a week of its own time zone, from Monday, as the audit log tells it. Written once, when the week is over.';
comment on column accounts.activity_report.people is 'How many different people did something, signing in included. actions counts every entry of theirs and of tasks.';
alter table accounts.activity_report enable row level security;
alter table accounts.activity_report force row level security;
create policy activity_report_tenant on accounts.activity_report
  using (tenant_id = any ((select app.tenants())::uuid[]))
  with check (tenant_id = any ((select app.tenants())::uuid[]));

create table accounts.platform_activity (
  week_start date        not null,
  businesses bigint      not null,
  logins     bigint      not null,
  logouts    bigint      not null,
  people     bigint      not null,
  actions    bigint      not null,
  by_action  jsonb       not null,
  created_at timestamptz not null default now(),
  constraint platform_activity_pkey primary key (week_start),
  constraint platform_activity_week_check check (extract(isodow from week_start) = 1),
  constraint platform_activity_numbers_check check (businesses >= 0 and logins >= 0 and logouts >= 0 and people >= 0 and actions >= logins + logouts and jsonb_typeof(by_action) = 'object')
);
comment on table accounts.platform_activity is 'The same of everybody, in a week of UTC. businesses is in how many somebody did something.';

-- Entries come in the order of their times, and there are many.
create index entry_at on audit.entry using brin (at);

-- Who owns what is alive. With its owner's rights, as v_active_business, whose policy it shares.
create view accounts.v_live_owner with (security_barrier = true) as
  select id as tenant_id, owner_id from accounts.business where is_active and (select app.is_system());
comment on view accounts.v_live_owner is 'The active businesses with whom each names as its owner. Empty outside platform transactions.';

create view accounts.v_untouched with (security_invoker = true) as
select u.id, u.updated_at, case when u.is_active then 'unverified' else 'inactive' end as reason
  from accounts.user u
 where (select app.is_system()) and u.anonymized_at is null and (not u.is_active or not u.email_verified and u.platform_role = 'NONE')
   and u.updated_at < now() - interval '90 days' and u.created_at < now() - interval '90 days' and coalesce(u.last_login_at, u.created_at) < now() - interval '90 days'
   and not exists (select from accounts.refresh_token t where t.user_id = u.id and t.issued_at > now() - interval '90 days')
   and not exists (select from accounts.v_live_owner b
                    where (b.owner_id = u.id or exists (select from accounts.membership m where m.tenant_id = b.tenant_id and m.user_id = u.id and m.role = 'OWNER' and m.is_active))
                      and not exists (select from accounts.membership m join accounts.user o on o.id = m.user_id
                                       where m.tenant_id = b.tenant_id and m.user_id <> u.id and m.role = 'OWNER' and m.is_active and o.is_active and o.email_verified));
comment on view accounts.v_untouched is 'Whose account nobody has used for 90 days: switched off, or never confirmed. Not who is the one owner of an active business: another would have to be active and confirmed. Empty outside platform transactions, which do not see who owns what.';

-- With its owner's rights, so that notifier needs none to change people at will: it can do this to those of the view and to nobody else.
create function accounts.anonymize_untouched(people uuid[]) returns table (user_id uuid, tenant_id uuid, reason text) language plpgsql security definer set search_path = pg_catalog as $f$
declare
  gone uuid[];
  why text[];
begin
  -- The businesses first, as whoever changes members does; then nobody signs in or loses a co-owner while the view is asked again.
  perform from accounts.business b where b.id = any ((select app.tenants())::uuid[]) order by b.id for no key update;
  perform from accounts.user u where u.id = any (people) order by u.id for no key update;
  select array_agg(v.id order by v.id), array_agg(v.reason order by v.id) into gone, why from accounts.v_untouched v where v.id = any (people);
  if gone is null then
    return;
  end if;
  update accounts.user u set email = 'deleted_' || u.id || '@deleted.invalid', name = 'Deleted user', password_hash = '', platform_role = 'NONE', email_verified = false, is_active = false,
         language = 'en', last_login_at = null, anonymized_at = now(), updated_at = now()
   where u.id = any (gone);
  delete from accounts.refresh_token t where t.user_id = any (gone);
  delete from accounts.email_verification_token t where t.user_id = any (gone);
  delete from accounts.password_reset_token t where t.user_id = any (gone);
  delete from accounts.storefront_assignment a where a.user_id = any (gone);
  update accounts.invitation i set email = 'deleted_' || i.accepted_by || '@deleted.invalid' where i.accepted_by = any (gone);
  update accounts.membership m set is_active = false where m.user_id = any (gone) and m.is_active;
  update accounts.business b set owner_id = h.heir, updated_at = now()
    from (select distinct on (m.tenant_id) m.tenant_id, m.user_id as heir from accounts.membership m join accounts.user o on o.id = m.user_id
           where m.role = 'OWNER' and m.is_active and o.is_active order by m.tenant_id, m.created_at, m.user_id) h
   where b.id = h.tenant_id and b.owner_id = any (gone);
  return query select g.id, (select m.tenant_id from accounts.membership m where m.user_id = g.id), g.why from unnest(gone, why) g (id, why);
end $f$;
comment on function accounts.anonymize_untouched(uuid[]) is 'Takes from people of v_untouched what names them, and what lets them in. Their rows stay, so that what they sold stays true. The transaction must be a platform''s, and bound to all their businesses.';
revoke all on function accounts.anonymize_untouched(uuid[]) from public;

grant select on accounts.v_live_owner, accounts.v_untouched to makola_notifier;
grant execute on function accounts.anonymize_untouched(uuid[]) to makola_notifier;
grant select (user_id, issued_at) on accounts.refresh_token to makola_notifier;
grant select (id, tenant_id, user_id, action, at) on audit.entry to makola_notifier;
grant select, insert on accounts.activity_report to makola_notifier;
grant select, insert on accounts.platform_activity to makola_notifier;
grant select on accounts.activity_report to makola_gateway;
grant select on accounts.platform_activity to makola_operator;

-- The clean-up looks for those who have not been touched the longest; it is daily, and most people are confirmed.
create index user_untouched on accounts.user (updated_at) where anonymized_at is null and (not is_active or not email_verified);
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
drop index accounts.user_untouched;
revoke select (id, tenant_id, user_id, action, at) on audit.entry from makola_notifier;
revoke select (user_id, issued_at) on accounts.refresh_token from makola_notifier;
drop function accounts.anonymize_untouched(uuid[]);
drop view accounts.v_untouched, accounts.v_live_owner;
drop index audit.entry_at;
drop table accounts.platform_activity, accounts.activity_report;
drop view accounts.v_settings;
create view accounts.v_settings with (security_invoker = true) as
select b.id as tenant_id, b.currency, b.timezone, s.language, s.receipt_header, s.receipt_footer, s.receipt_taxes, s.receipt_barcode, s.receipt_paper, s.sales_tax_bp, s.reorder_level,
       coalesce(s.separate_approver, (select count(*) > 1 from accounts.membership m where m.tenant_id = b.id and m.is_active)) as separate_approver,
       s.separate_approver as separate_approver_chosen,
       s.email_notifications, s.low_stock_alerts, s.sales_updates, s.system_updates, s.marketing_emails, s.sms_notifications, s.push_notifications, s.quiet_start, s.quiet_end
  from accounts.business b join accounts.business_settings s on s.tenant_id = b.id;
grant select on accounts.v_settings to makola_gateway, makola_notifier, makola_inventory, makola_reports, makola_billing;
alter table accounts.business_settings drop column activity_reports;
-- +goose StatementEnd
