-- Owner: pkg/billing. Why: an invoice for each month of a subscription, numbered without a gap.
-- Locks: none, the tables are new. Long on a big table: no. Back: Down (loses the invoices; never on a live system).
-- +goose Up
-- +goose StatementBegin
create table billing.seller (
  one     boolean not null default true,
  name    text    not null,
  tin     text    not null default '',
  address text    not null default '',
  email   text    not null default '',
  constraint seller_pkey primary key (one),
  constraint seller_one_check check (one),
  constraint seller_length_check check (length(name) between 1 and 200 and length(tin) <= 50 and length(address) <= 500 and length(email) <= 254)
);
comment on table billing.seller is 'Who issues the invoices: one row, copied into each invoice as it is issued.';
insert into billing.seller (name) values ('Makola');

create table billing.invoice_series (
  month text not null,
  last  int  not null,
  constraint invoice_series_pkey primary key (month),
  constraint invoice_series_month_check check (month ~ '^[0-9]{6}$'),
  constraint invoice_series_last_check check (last > 0)
);
comment on table billing.invoice_series is 'The last number of each month. Its row stays locked until the invoices of a transaction commit, so that numbers have no gap: who rolls back gives them back.';

create table billing.invoice (
  id           uuid        not null,
  tenant_id    uuid        not null,
  number       text        not null,
  status       text        not null,
  period_start timestamptz not null,
  period_end   timestamptz not null,
  storefronts  int         not null,
  tier         jsonb       not null,
  base_minor   bigint      not null,
  tax_lines    jsonb       not null default '[]',
  tax_minor    bigint      not null,
  total_minor  bigint      not null,
  currency     char(3)     not null,
  seller       jsonb       not null,
  customer     jsonb       not null,
  issued_on    date        not null,
  due_on       date        not null,
  payment_id   uuid,
  paid_at      timestamptz,
  cancelled_at timestamptz,
  reminders    smallint    not null default 0,
  created_at   timestamptz not null default now(),
  updated_at   timestamptz not null default now(),
  constraint invoice_pkey primary key (tenant_id, id), -- also what a business's list is read by
  constraint invoice_number_key unique (number),
  constraint invoice_number_check check (number ~ '^INV-[0-9]{6}-[0-9]{6,}$'),
  constraint invoice_subscription_fkey foreign key (tenant_id) references billing.subscription (tenant_id),
  constraint invoice_payment_fkey foreign key (tenant_id, payment_id) references billing.subscription_payment (tenant_id, id),
  constraint invoice_status_check check (status in ('SENT','PAID','OVERDUE','CANCELLED')),
  constraint invoice_paid_check check ((payment_id is null) = (paid_at is null) and (status <> 'PAID' or paid_at is not null) and (status = 'CANCELLED') = (cancelled_at is not null)),
  constraint invoice_period_check check (period_end > period_start),
  constraint invoice_amounts_check check (storefronts >= 1 and base_minor > 0 and tax_minor >= 0 and total_minor = base_minor + tax_minor and reminders between 0 and 6)
) with (fillfactor = 80);
create unique index invoice_period_key on billing.invoice (tenant_id, period_start) where status <> 'CANCELLED';
create unique index invoice_payment_key on billing.invoice (payment_id) where payment_id is not null;
create index invoice_open on billing.invoice (due_on) where status in ('SENT', 'OVERDUE');
comment on table billing.invoice is 'What a business owes, or has paid, for one month. Never deleted, and its amounts never change: one that does not hold any more is cancelled, and keeps its number.';
comment on column billing.invoice.reminders is 'How many times its business was reminded of it since it was due.';

-- The arrows of an invoice. A paid one is cancelled when all of its money has gone back. The gateway may cancel what is open and nothing else.
create function billing.check_invoice() returns trigger language plpgsql as $$
begin
  if new.status <> old.status and ((old.status, new.status) not in (
       ('SENT', 'PAID'), ('SENT', 'OVERDUE'), ('SENT', 'CANCELLED'), ('OVERDUE', 'PAID'), ('OVERDUE', 'CANCELLED'), ('PAID', 'CANCELLED'))
     or current_user = 'makola_gateway' and (new.status <> 'CANCELLED' or old.status = 'PAID')) then
    raise exception 'an invoice does not go from % to % this way', old.status, new.status using errcode = 'check_violation', constraint = 'invoice_arrows';
  end if;
  return new;
end $$;
create trigger invoice_arrows before update on billing.invoice for each row execute function billing.check_invoice();

create function billing.check_invoice_series() returns trigger language plpgsql as $$
begin
  if new.month <> old.month or new.last < old.last then
    raise exception 'the numbers of % are given to % already', old.month, old.last using errcode = 'check_violation', constraint = 'invoice_series_forward';
  end if;
  return new;
end $$;
create trigger invoice_series_forward before update on billing.invoice_series for each row execute function billing.check_invoice_series();

alter table billing.invoice enable row level security;
alter table billing.invoice force row level security;
create policy invoice_tenant on billing.invoice
  using (tenant_id = any ((select app.tenants())::uuid[])) with check (tenant_id = any ((select app.tenants())::uuid[]));
-- Sweeps find what is due in all businesses. Reading only: they bind to those before they write.
create policy invoice_sweep on billing.invoice for select to makola_billing using ((select app.is_system()));

grant select on billing.seller to makola_billing, makola_operator;
grant update (name, tin, address, email) on billing.seller to makola_operator;
grant select, insert, update (last) on billing.invoice_series to makola_billing;
grant select, insert, update (status, payment_id, paid_at, cancelled_at, reminders, updated_at) on billing.invoice to makola_billing;
grant select, update (status, cancelled_at, updated_at) on billing.invoice to makola_gateway;
grant select on accounts.v_letterhead to makola_billing;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
revoke select on accounts.v_letterhead from makola_billing;
drop table billing.invoice, billing.invoice_series, billing.seller;
drop function billing.check_invoice();
drop function billing.check_invoice_series();
-- +goose StatementEnd
