-- Owner: pkg/reporting. Why: exports that a business has made and mailed by the clock: what, when, to whom, and how each run went. The log of what was done becomes a report, too.
-- Locks: reporting.report takes no writes while its new columns, checks and indexes are made. Long on a big table: a second or so per million reports, of which 30 days are of any use.
-- Back: Down; schedules are lost, and so are reports on the log, which the old check does not know. Yesterday's binaries go on: every column they do not know has a default.
-- +goose Up
-- +goose StatementBegin
create table reporting.export_schedule (
  id                 uuid        not null,
  tenant_id          uuid        not null,
  name               text        not null,
  kind               text        not null,
  format             text        not null,
  period             text,
  frequency          text        not null,
  hour               smallint    not null,
  day_of_week        smallint,
  day_of_month       smallint,
  storefront_id      uuid,
  include_zero_stock boolean     not null default false,
  recipients         text[]      not null default '{}',
  include_creator    boolean     not null default false,
  subject            text        not null default '',
  message            text        not null default '',
  is_active          boolean     not null default true,
  next_run_at        timestamptz,
  last_run_at        timestamptz,
  created_by         uuid        not null,
  created_at         timestamptz not null default clock_timestamp(),
  updated_at         timestamptz not null default clock_timestamp(),
  deleted_at         timestamptz,
  constraint export_schedule_pkey primary key (id),
  constraint export_schedule_tenant_key unique (tenant_id, id),
  constraint export_schedule_kind_check check (kind in ('sales','inventory','customers','audit_logs') and (kind in ('sales','audit_logs')) = (period is not null)),
  constraint export_schedule_format_check check (format in ('pdf','excel','csv')),
  constraint export_schedule_period_check check (period in ('last_day','last_7_days','last_month')),
  constraint export_schedule_time_check check (hour between 0 and 23 and case frequency
    when 'DAILY' then num_nonnulls(day_of_week, day_of_month) = 0
    when 'WEEKLY' then day_of_week between 0 and 6 and day_of_week is not null and day_of_month is null
    when 'MONTHLY' then day_of_month between 1 and 28 and day_of_month is not null and day_of_week is null
    else false end),
  constraint export_schedule_recipients_check check (cardinality(recipients) <= 20),
  constraint export_schedule_next_check check ((is_active and deleted_at is null) = (next_run_at is not null)),
  constraint export_schedule_business_fkey foreign key (tenant_id) references accounts.business (id)
);
create unique index export_schedule_name_key on reporting.export_schedule (tenant_id, lower(name)) where deleted_at is null;
create index export_schedule_due on reporting.export_schedule (next_run_at) where next_run_at is not null;
comment on table reporting.export_schedule is 'A report that is made by the clock and mailed. next_run_at is null while it is paused.';
comment on column reporting.export_schedule.hour is 'Of the business''s own clock. day_of_week is 0 for Monday; day_of_month ends at 28, which every month has.';
comment on column reporting.export_schedule.period is 'Which days each run is of, counted from the day on which it runs.';
comment on column reporting.export_schedule.created_by is 'Whose it is: it shows what they may see, and stops when they have left.';

create table reporting.export_settings (
  tenant_id          uuid        not null,
  notify_on_success  boolean     not null default true,
  notify_on_failure  boolean     not null default true,
  default_recipients text[]      not null default '{}',
  from_name          text        not null default '',
  reply_to           text        not null default '',
  updated_at         timestamptz not null default clock_timestamp(),
  constraint export_settings_pkey primary key (tenant_id),
  constraint export_settings_recipients_check check (cardinality(default_recipients) <= 20),
  constraint export_settings_business_fkey foreign key (tenant_id) references accounts.business (id)
);
comment on table reporting.export_settings is 'Who is told of exports, and as whom. A business without a row has the defaults.';

alter table reporting.report
  add column schedule_id uuid,
  add column due_at timestamptz,
  add column retry_of uuid,
  add column retries smallint not null default 0,
  add column mail_ids uuid[],
  add column error_code text,
  add constraint report_schedule_fkey foreign key (tenant_id, schedule_id) references reporting.export_schedule (tenant_id, id),
  add constraint report_run_check check (schedule_id is not null or (due_at is null and retry_of is null)),
  drop constraint report_kind_check,
  add constraint report_kind_check check (kind in ('sales','inventory','customers','transactions','audit_logs'));
-- What makes a run happen once, whoever claims it: one for each time that was due, and one for each run that failed.
create unique index report_due_key on reporting.report (schedule_id, due_at) where due_at is not null;
create unique index report_retry_key on reporting.report (retry_of) where retry_of is not null;
create index report_schedule on reporting.report (tenant_id, schedule_id, id) where schedule_id is not null;
comment on column reporting.report.due_at is 'The time of its schedule that this run is for.';
comment on column reporting.report.retries is 'How many runs that failed stand before this one; retry_of is the last of them.';
comment on column reporting.report.mail_ids is 'The mails that tell of the file; what became of them is said by their own rows.';
comment on column reporting.report.error_code is 'Why it failed, for programs; error says so for people.';

alter table reporting.export_schedule enable row level security;
alter table reporting.export_schedule force row level security;
create policy export_schedule_tenant on reporting.export_schedule
  using (tenant_id = any ((select app.tenants())::uuid[])) with check (tenant_id = any ((select app.tenants())::uuid[]));
-- Schedules fall due in all businesses; the sweep binds to those whose they are before it writes.
create policy export_schedule_sweep on reporting.export_schedule for select to makola_reports using ((select app.is_system()));
alter table reporting.export_settings enable row level security;
alter table reporting.export_settings force row level security;
create policy export_settings_tenant on reporting.export_settings
  using (tenant_id = any ((select app.tenants())::uuid[])) with check (tenant_id = any ((select app.tenants())::uuid[]));

-- These views run with their owner's rights. The gateway and reports-worker see what became of a mail, and not what it says; reports-worker sees the log, and whether a subscription
-- runs. All of that is of the bound businesses alone.
create view notifications.v_mail_state with (security_barrier = true) as
select id, tenant_id, state from notifications.email where tenant_id = any ((select app.tenants())::uuid[]);
comment on view notifications.v_mail_state is 'What became of the mails of the bound businesses.';
create view audit.v_entry with (security_barrier = true) as
select id, tenant_id, at, user_id, actor, action, entity, entity_id, changes, ip, user_agent from audit.entry where tenant_id = any ((select app.tenants())::uuid[]);
comment on view audit.v_entry is 'What was done in the bound businesses; nothing of the platform''s.';
create view billing.v_subscribed with (security_barrier = true) as
select tenant_id from billing.subscription where tenant_id = any ((select app.tenants())::uuid[]) and status in ('TRIAL','ACTIVE') and now() < period_end;
comment on view billing.v_subscribed is 'The bound businesses for which things may happen by themselves: a trial or a paid month runs.';

drop view reporting.v_report;
create view reporting.v_report with (security_invoker = true) as
select r.*,
       case when r.state = 'COMPLETED' and m.mail_state = 'SENT' then 'EMAILED'
            when r.state <> 'PENDING' then r.state
            when t.state = 'running' then 'PROCESSING'
            when t.state in ('cancelled', 'succeeded') then 'CANCELLED' -- it succeeded without a file: the business has closed
            when t.state = 'failed' or t.id is null then 'FAILED'
            else 'PENDING' end as status,
       coalesce(nullif(r.error, ''), t.error, '') as reason,
       coalesce(r.error_code, case when r.state = 'PENDING' and (t.state = 'failed' or t.id is null) then 'INTERRUPTED' end) as failure,
       m.mail_state,
       coalesce((t.progress ->> 'done')::bigint, 0) as done, coalesce((t.progress ->> 'total')::bigint, 0) as total
  from reporting.report r left join task.task t on t.id = r.task_id
  left join lateral (
    select case when bool_or(e.state = 'queued') then 'QUEUED' when bool_and(e.state = 'sent') then 'SENT' when bool_or(e.state = 'sent') then 'PARTLY_SENT'
                when bool_and(e.state = 'suppressed') then 'SUPPRESSED' when count(*) > 0 then 'REFUSED' end as mail_state
      from notifications.v_mail_state e where e.tenant_id = r.tenant_id and e.id = any (r.mail_ids)) m on r.mail_ids is not null;
comment on view reporting.v_report is 'Reports as they stand: status is the row''s own, or what its task or its mails say.';

grant select, insert on reporting.export_schedule to makola_gateway;
grant update (name, kind, format, period, frequency, hour, day_of_week, day_of_month, storefront_id, include_zero_stock, recipients, include_creator, subject, message, is_active,
              next_run_at, last_run_at, created_by, updated_at, deleted_at) on reporting.export_schedule to makola_gateway;
grant select on reporting.export_schedule to makola_reports;
grant update (next_run_at, last_run_at) on reporting.export_schedule to makola_reports;
grant select, insert, update on reporting.export_settings to makola_gateway;
grant select on reporting.export_settings to makola_reports;
grant select on reporting.v_report to makola_gateway, makola_reports;
grant update (mail_ids, error_code) on reporting.report to makola_reports;
grant select on notifications.v_mail_state to makola_gateway, makola_reports;
grant select on accounts.v_recipient to makola_gateway;
grant select on audit.v_entry to makola_reports;
grant usage on schema billing to makola_reports;
grant select on billing.v_subscribed to makola_reports;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
drop view billing.v_subscribed;
revoke usage on schema billing from makola_reports;
drop view audit.v_entry;
revoke select on accounts.v_recipient from makola_gateway;
drop view reporting.v_report;
drop view notifications.v_mail_state;
drop index reporting.report_due_key, reporting.report_retry_key, reporting.report_schedule;
delete from reporting.report where kind = 'audit_logs';
alter table reporting.report drop column schedule_id, drop column due_at, drop column retry_of, drop column retries, drop column mail_ids, drop column error_code,
  drop constraint report_kind_check, add constraint report_kind_check check (kind in ('sales','inventory','customers','transactions'));
create view reporting.v_report with (security_invoker = true) as
select r.*,
       case when r.state <> 'PENDING' then r.state
            when t.state = 'running' then 'PROCESSING'
            when t.state = 'cancelled' then 'CANCELLED'
            when t.state = 'failed' or t.id is null then 'FAILED'
            else 'PENDING' end as status,
       coalesce(nullif(r.error, ''), t.error, '') as reason,
       coalesce((t.progress ->> 'done')::bigint, 0) as done, coalesce((t.progress ->> 'total')::bigint, 0) as total
  from reporting.report r left join task.task t on t.id = r.task_id;
grant select on reporting.v_report to makola_gateway, makola_reports;
drop table reporting.export_settings, reporting.export_schedule;
-- +goose StatementEnd
