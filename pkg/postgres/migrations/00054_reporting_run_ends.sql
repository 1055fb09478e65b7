-- Owner: pkg/reporting. Why: a report says in words of ours why it was given up when its task ended without it, and a run of a schedule says what became of each of its mails.
-- Locks: none but on the view, for an instant. Long on a big table: no.
-- Back: Down. Yesterday's binaries go on: the view has all columns that it had.
-- +goose Up
-- +goose StatementBegin
-- Runs with its owner's rights: what a mail says is nobody's business here, and whom other mails went to is not either.
create view notifications.v_export_mail with (security_barrier = true) as
select id, tenant_id, recipient, state, coalesce(error, '') as reason from notifications.email
 where tenant_id = any ((select app.tenants())::uuid[]) and template in ('export_ready', 'export_failed', 'export_summary');
comment on view notifications.v_export_mail is 'Whom the bound businesses'' exports were mailed to, and what became of each mail.';

drop view reporting.v_report;
create view reporting.v_report with (security_invoker = true) as
select r.*,
       case when r.state = 'COMPLETED' and m.mail_state = 'SENT' then 'EMAILED'
            when r.state <> 'PENDING' then r.state
            when t.state = 'running' then 'PROCESSING'
            when t.state in ('cancelled', 'succeeded') then 'CANCELLED' -- it succeeded without a file: the business has closed
            when t.state = 'failed' or t.id is null then 'FAILED'
            else 'PENDING' end as status,
       case when r.error <> '' then r.error
            when r.state = 'PENDING' and t.id is null then 'It was begun and never finished.'
            when r.state = 'PENDING' and t.state = 'failed' and t.error_kind = 'crash_loop' then 'Each of the programs that made it stopped before it was done, three in a row, so it was given up.'
            else coalesce(t.error, '') end as reason,
       coalesce(r.error_code, case when r.state <> 'PENDING' then null when t.id is null or t.state = 'failed' and t.error_kind = 'crash_loop' then 'INTERRUPTED' when t.state = 'failed' then 'INTERNAL' end) as failure,
       m.mail_state,
       coalesce((t.progress ->> 'done')::bigint, 0) as done, coalesce((t.progress ->> 'total')::bigint, 0) as total
  from reporting.report r left join task.task t on t.id = r.task_id
  left join lateral (
    select case when bool_or(e.state = 'queued') then 'QUEUED' when bool_and(e.state = 'sent') then 'SENT' when bool_or(e.state = 'sent') then 'PARTLY_SENT'
                when bool_and(e.state = 'suppressed') then 'SUPPRESSED' when count(*) > 0 then 'REFUSED' end as mail_state
      from notifications.v_mail_state e where e.tenant_id = r.tenant_id and e.id = any (r.mail_ids)) m on r.mail_ids is not null;
comment on view reporting.v_report is 'Reports as they stand: status is the row''s own, or what its task or its mails say.';

grant select on reporting.v_report to makola_gateway, makola_reports;
grant select on notifications.v_export_mail to makola_gateway, makola_reports;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
drop view reporting.v_report;
create view reporting.v_report with (security_invoker = true) as
select r.*,
       case when r.state = 'COMPLETED' and m.mail_state = 'SENT' then 'EMAILED'
            when r.state <> 'PENDING' then r.state
            when t.state = 'running' then 'PROCESSING'
            when t.state in ('cancelled', 'succeeded') then 'CANCELLED'
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
grant select on reporting.v_report to makola_gateway, makola_reports;
drop view notifications.v_export_mail;
-- +goose StatementEnd
