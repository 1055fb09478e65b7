-- Owner: pkg/reporting. Why: one row for each report that somebody asked for: what it is of, which task makes it, and where its file lies.
-- Locks: none, the table is new. Long on a big table: no. Back: Down (the history of reports is lost; their files stay until they are swept).
-- +goose Up
-- +goose StatementBegin
create schema reporting;

create table reporting.report (
  id                 uuid        not null,
  tenant_id          uuid        not null,
  kind               text        not null,
  format             text        not null,
  trigger            text        not null,
  period_start       date,
  period_end         date,
  storefronts        uuid[],
  include_zero_stock boolean     not null default false,
  fingerprint        text        not null,
  task_id            uuid        not null,
  created_by         uuid,
  mail               boolean     not null default false,
  state              text        not null default 'PENDING',
  error              text        not null default '',
  record_count       bigint,
  sales_count        bigint,
  payments_count     bigint,
  file_name          text,
  file_key           text,
  file_size          bigint,
  file_sha256        text,
  created_at         timestamptz not null default clock_timestamp(),
  finished_at        timestamptz,
  took_ms            bigint,
  expires_at         timestamptz,
  deleted_at         timestamptz,
  constraint report_pkey primary key (id),
  constraint report_task_key unique (task_id),
  constraint report_kind_check check (kind in ('sales','inventory','customers','transactions')),
  constraint report_format_check check (format in ('pdf','excel','csv')),
  constraint report_trigger_check check (trigger in ('MANUAL','SCHEDULED','API')),
  constraint report_state_check check (state in ('PENDING','COMPLETED','FAILED','CANCELLED','EXPIRED') and (state = 'PENDING') = (finished_at is null)),
  constraint report_file_check check ((state = 'COMPLETED') = (file_key is not null) and (state not in ('COMPLETED') or num_nulls(file_name, file_size, file_sha256, record_count, expires_at) = 0)),
  constraint report_period_check check (num_nulls(period_start, period_end) <> 1 and period_start <= period_end),
  constraint report_business_fkey foreign key (tenant_id) references accounts.business (id)
);
create index report_list on reporting.report (tenant_id, id);
create index report_open on reporting.report (tenant_id, id) where state = 'PENDING';
create index report_expiry on reporting.report (expires_at) where state = 'COMPLETED';
comment on table reporting.report is 'A report that was asked for. A row whose state is PENDING is as far as its task is, which reporting.v_report says.';
comment on column reporting.report.storefronts is 'The storefronts whose sales it may show: those of whoever asked, or the ones that they chose. Null: all.';
comment on column reporting.report.fingerprint is 'The same for two requests of the same thing.';
comment on column reporting.report.file_key is 'Where the file lies. Each attempt writes one of its own, so that a slow one cannot replace what a faster one has finished.';

alter table reporting.report enable row level security;
alter table reporting.report force row level security;
create policy report_tenant on reporting.report
  using (tenant_id = any ((select app.tenants())::uuid[])) with check (tenant_id = any ((select app.tenants())::uuid[]));
-- Files expire in all businesses; the sweep binds to those whose reports they are before it writes.
create policy report_sweep on reporting.report for select to makola_reports using ((select app.is_system()));

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
comment on view reporting.v_report is 'Reports as they stand: status is the row''s own, or what its task says.';

-- These views run with their owner's rights: reports-worker sees the letterhead and the names of the businesses it is bound to, and nothing else of them.
create view accounts.v_letterhead with (security_barrier = true) as
select id as tenant_id, name, coalesce(tin, '') as tin, address, email, phone_numbers from accounts.business where id = any ((select app.tenants())::uuid[]);
comment on view accounts.v_letterhead is 'What stands at the head of a business''s papers.';
create view accounts.v_person with (security_barrier = true) as
select m.tenant_id, m.user_id, u.name from accounts.membership m join accounts.user u on u.id = m.user_id where m.tenant_id = any ((select app.tenants())::uuid[]);
comment on view accounts.v_person is 'What the people of a business are called, those who have left too.';

grant usage on schema reporting to makola_gateway, makola_reports;
grant select, insert on reporting.report to makola_gateway, makola_reports;
grant select on reporting.v_report to makola_gateway, makola_reports;
grant update (state, finished_at, file_key, deleted_at) on reporting.report to makola_gateway;
grant update (state, error, record_count, sales_count, payments_count, file_name, file_key, file_size, file_sha256, finished_at, took_ms, expires_at) on reporting.report to makola_reports;
grant select on accounts.v_letterhead, accounts.v_person, accounts.v_recipient to makola_reports;
grant select (id, tenant_id, key), insert on notifications.email to makola_reports;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
revoke all on notifications.email from makola_reports;
revoke select on accounts.v_recipient from makola_reports;
drop view accounts.v_person, accounts.v_letterhead;
drop schema reporting cascade;
-- +goose StatementEnd
