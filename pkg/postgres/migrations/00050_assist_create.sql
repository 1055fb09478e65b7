-- Owner: pkg/assist. Why: one row for each question and each description that somebody asked a model for: what may be read for it, what came of it, what it cost us.
-- Locks: short exclusive ones on billing.credit_hold and credit_hold_lot, for grants. Long on a big table: no.
-- Back: Down (answers are lost; what they cost stays in the ledger and in billing.usage_transaction).
-- +goose Up
-- +goose StatementBegin
create schema assist;

create table assist.request (
  id          uuid        not null,
  tenant_id   uuid        not null,
  user_id     uuid        not null,
  feature     text        not null,
  hold_id     uuid        not null,
  task_id     uuid        not null,
  input       jsonb       not null,
  figures     text[]      not null,
  storefronts uuid[],
  state       text        not null default 'PENDING',
  failure     text,
  answer      jsonb,
  budget      bigint      not null,
  cost        bigint      not null default 0,
  created_at  timestamptz not null default clock_timestamp(),
  finished_at timestamptz,
  delete_at   timestamptz not null,
  constraint request_pkey primary key (id),
  constraint request_task_key unique (task_id),
  constraint request_feature_check check (feature in ('natural_language_query','product_description')),
  constraint request_state_check check (state in ('PENDING','ANSWERED','FAILED') and (state = 'PENDING') = (finished_at is null)
    and (state = 'ANSWERED') = (answer is not null) and (state = 'FAILED') = (failure is not null)),
  constraint request_failure_check check (failure ~ '^[a-z_]{1,40}$'),
  constraint request_cost_check check (budget >= 0 and cost >= 0),
  constraint request_size_check check (pg_column_size(input) <= 8192 and pg_column_size(answer) <= 65536),
  constraint request_hold_fkey foreign key (tenant_id, hold_id) references billing.credit_hold (tenant_id, id),
  constraint request_business_fkey foreign key (tenant_id) references accounts.business (id)
);
create index request_recent on assist.request (tenant_id, created_at);
create index request_list on assist.request (tenant_id, user_id, id);
create index request_open on assist.request (created_at) where state = 'PENDING';
create index request_deletion on assist.request (delete_at);
comment on table assist.request is 'A question or a description that a model was asked for, deleted after delete_at. A row that is PENDING is as far as its task is, which assist.v_request says.';
comment on column assist.request.input is 'What was asked, without mail addresses and telephone numbers.';
comment on column assist.request.figures is 'The figures that whoever asks may see, by name, and storefronts those whose figures: what the model may choose from. Null storefronts: all.';
comment on column assist.request.answer is 'Words and tables. Customers are in it by their ids; they get their names when somebody reads who may.';
comment on column assist.request.budget is 'The most that the calls may cost us, in 1/10000 GHS, and cost what they did. While the row is PENDING the limits count the dearer of the two.';

create table assist.platform_month (
  month    date   not null,
  reserved bigint not null default 0,
  spent    bigint not null default 0,
  constraint platform_month_pkey primary key (month),
  constraint platform_month_check check (reserved >= 0 and spent >= 0)
) with (fillfactor = 50);
comment on table assist.platform_month is 'What models cost the platform in a month (UTC), in 1/10000 GHS, and what requests under way may still cost.';

alter table assist.request enable row level security;
alter table assist.request force row level security;
create policy request_tenant on assist.request
  using (tenant_id = any ((select app.tenants())::uuid[])) with check (tenant_id = any ((select app.tenants())::uuid[]));
-- Requests are over, and old ones go, in all businesses; the sweep binds to those whose they are before it writes.
create policy request_sweep on assist.request for select to makola_billing using ((select app.is_system()));

create view assist.v_request with (security_invoker = true) as
select r.*,
       case when r.state <> 'PENDING' then r.state
            when t.state = 'running' then 'PROCESSING'
            when t.state = 'cancelled' then 'CANCELLED'
            when t.state = 'failed' or t.id is null then 'FAILED'
            else 'PENDING' end as status
  from assist.request r left join task.task t on t.id = r.task_id;
comment on view assist.v_request is 'Requests as they stand: status is the row''s own, or what its task says.';

grant usage on schema assist to makola_gateway, makola_billing;
grant select, insert on assist.request to makola_gateway;
grant select on assist.v_request to makola_gateway, makola_billing;
grant select, delete on assist.request to makola_billing;
grant update (state, failure, answer, cost, finished_at) on assist.request to makola_billing;
grant select, insert, update (reserved) on assist.platform_month to makola_gateway;
grant select, insert, update on assist.platform_month to makola_billing;
-- The worker makes the call, so it ends the hold: it captures what was used, or releases it.
grant update (captured) on billing.credit_hold to makola_billing;
grant update (captured) on billing.credit_hold_lot to makola_billing;
grant insert on billing.usage_transaction to makola_billing;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
revoke insert on billing.usage_transaction from makola_billing;
revoke update (captured) on billing.credit_hold_lot from makola_billing;
revoke update (captured) on billing.credit_hold from makola_billing;
drop schema assist cascade;
-- +goose StatementEnd
