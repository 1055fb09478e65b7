-- Owner: pkg/sales. Why: customers and what they owe, carts and their reservations, sales with lines, payments, refunds, receivables.
-- Locks: none, the tables are new. Long on a big table: no. Back: Down (loses all sales).
-- +goose Up
-- +goose StatementBegin
create schema sales;

create table sales.customer (
  id                 uuid        not null,
  tenant_id          uuid        not null,
  name               text        not null,
  email              text,
  phone              text,
  address            text        not null default '',
  type               text        not null default 'RETAIL',
  currency           char(3)     not null,
  credit_limit_minor bigint      not null default 0,
  outstanding_minor  bigint      not null default 0,
  credit_terms_days  int         not null default 30,
  credit_blocked     boolean     not null default false,
  is_walk_in         boolean     not null default false,
  is_active          boolean     not null default true,
  created_by         uuid,
  created_at         timestamptz not null default now(),
  updated_at         timestamptz not null default now(),
  search             text        generated always as (lower(name || ' ' || coalesce(phone, '') || ' ' || coalesce(email, ''))) stored,
  constraint customer_pkey primary key (id),
  constraint customer_tenant_key unique (tenant_id, id),
  constraint customer_phone_key unique (tenant_id, phone),
  constraint customer_type_check check (type in ('RETAIL','WHOLESALE')),
  constraint customer_credit_check check (credit_limit_minor >= 0 and outstanding_minor >= 0 and credit_terms_days between 0 and 365),
  constraint customer_text_check check (length(name) between 1 and 200 and length(phone) between 1 and 30 and length(email) between 3 and 254 and length(address) <= 300),
  constraint customer_walk_in_check check (not is_walk_in or credit_limit_minor = 0 and outstanding_minor = 0),
  constraint customer_business_fkey foreign key (tenant_id) references accounts.business (id)
) with (fillfactor = 80);
create unique index customer_walk_in_key on sales.customer (tenant_id) where is_walk_in;
create index customer_name on sales.customer (tenant_id, lower(name), id);
create index customer_list on sales.customer (tenant_id, id);
create index customer_search on sales.customer using gin (tenant_id, search gin_trgm_ops);
comment on column sales.customer.outstanding_minor is 'What the customer owes: the sum of the credit transactions, kept by their trigger.';

create table sales.credit_transaction (
  id            uuid        not null,
  tenant_id     uuid        not null,
  customer_id   uuid        not null,
  kind          text        not null,
  amount_minor  bigint      not null,
  balance_minor bigint      not null,
  source_type   text        not null,
  source_id     uuid        not null,
  reference     text        not null default '',
  user_id       uuid,
  at            timestamptz not null default clock_timestamp(),
  constraint credit_transaction_pkey primary key (id),
  constraint credit_transaction_kind_check check (kind in ('CREDIT_SALE','PAYMENT','ADJUSTMENT','REFUND','BALANCE_SYNC','WRITE_OFF')),
  constraint credit_transaction_amount_check check (amount_minor <> 0 and balance_minor >= 0),
  constraint credit_transaction_customer_fkey foreign key (tenant_id, customer_id) references sales.customer (tenant_id, id)
);
create index credit_transaction_customer on sales.credit_transaction (tenant_id, customer_id, id);
create index credit_transaction_source on sales.credit_transaction (source_id);
comment on table sales.credit_transaction is 'The ledger of what customers owe, append only: positive raises the debt. balance_minor is the debt after it. Lock the customer first.';

create function sales.apply_credit() returns trigger language plpgsql security definer set search_path = pg_catalog as $f$
begin
  update sales.customer c set outstanding_minor = c.outstanding_minor + n.amount, updated_at = now()
    from (select tenant_id, customer_id, sum(amount_minor) as amount from new_rows group by 1, 2) n
   where c.tenant_id = n.tenant_id and c.id = n.customer_id;
  return null;
end $f$;
create trigger credit_transaction_apply after insert on sales.credit_transaction referencing new table as new_rows
  for each statement execute function sales.apply_credit();

create table sales.sale (
  id                   uuid        not null,
  tenant_id            uuid        not null,
  storefront_id        uuid        not null,
  user_id              uuid        not null,
  customer_id          uuid        not null,
  receipt_number       text,
  type                 text        not null default 'RETAIL',
  status               text        not null default 'DRAFT',
  currency             char(3)     not null,
  subtotal_minor       bigint      not null default 0,
  discount_minor       bigint      not null default 0,
  tax_minor            bigint      not null default 0,
  total_minor          bigint      not null default 0,
  paid_minor           bigint      not null default 0,
  returned_minor       bigint      not null default 0,
  cash_refunded_minor  bigint      not null default 0,
  due_minor            bigint      not null default 0,
  change_minor         bigint      not null default 0,
  payment_type         text,
  is_credit_sale       boolean     not null default false,
  override_by          uuid,
  override_reason      text        not null default '',
  exchange_of          uuid,
  notes                text        not null default '',
  created_at           timestamptz not null default now(),
  updated_at           timestamptz not null default now(),
  completed_at         timestamptz,
  ended_at             timestamptz,
  constraint sale_pkey primary key (id),
  constraint sale_tenant_key unique (tenant_id, id),
  constraint sale_receipt_key unique (tenant_id, receipt_number),
  constraint sale_type_check check (type in ('RETAIL','WHOLESALE')),
  constraint sale_status_check check (status in ('DRAFT','PENDING','PARTIAL','COMPLETED','REFUNDED','CANCELLED')),
  constraint sale_payment_type_check check (payment_type in ('CASH','CARD','MOBILE','CREDIT','MIXED')),
  constraint sale_amounts_check check (least(subtotal_minor, discount_minor, tax_minor, paid_minor, returned_minor, cash_refunded_minor, due_minor, change_minor) >= 0
    and total_minor = greatest(0, subtotal_minor - discount_minor) + tax_minor and returned_minor <= total_minor and cash_refunded_minor <= paid_minor),
  constraint sale_books_check check (status in ('DRAFT','CANCELLED') or total_minor - returned_minor = paid_minor - cash_refunded_minor + due_minor),
  constraint sale_standing_check check (case status
    when 'DRAFT' then paid_minor = 0 and due_minor = 0 and returned_minor = 0 and completed_at is null and receipt_number is null
    when 'PENDING' then paid_minor - cash_refunded_minor = 0 and due_minor > 0
    when 'PARTIAL' then paid_minor > 0 and due_minor > 0
    else due_minor = 0 end),
  constraint sale_completed_check check (status in ('DRAFT','CANCELLED') or completed_at is not null and receipt_number is not null and payment_type is not null),
  constraint sale_text_check check (length(notes) <= 500 and length(override_reason) <= 500 and (override_by is null) = (override_reason = '')),
  constraint sale_customer_fkey foreign key (tenant_id, customer_id) references sales.customer (tenant_id, id),
  constraint sale_exchange_fkey foreign key (tenant_id, exchange_of) references sales.sale (tenant_id, id)
) with (fillfactor = 80);
create index sale_list on sales.sale (tenant_id, id);
create index sale_completed on sales.sale (tenant_id, completed_at, id) where completed_at is not null;
create index sale_storefront on sales.sale (tenant_id, storefront_id, completed_at, id) where completed_at is not null;
create index sale_customer on sales.sale (tenant_id, customer_id, id);
create index sale_due on sales.sale (tenant_id, completed_at, id) where due_minor > 0;
create index sale_status on sales.sale (tenant_id, status, id) where status <> 'COMPLETED';
create index sale_draft on sales.sale (updated_at) where status = 'DRAFT';
comment on table sales.sale is 'A cart while DRAFT, a sale from checkout on. total - returned = paid - cash refunded + due; the constraints hold it.';
comment on column sales.sale.change_minor is 'Cash that was handed over at checkout and given back: no part of what was paid.';
comment on column sales.sale.returned_minor is 'Value of goods taken back. A refund first lowers what is owed; the rest is paid back (cash_refunded_minor).';

create table sales.sale_item (
  id               uuid    not null,
  tenant_id        uuid    not null,
  sale_id          uuid    not null,
  product_id       uuid    not null,
  line             int     not null,
  quantity         bigint  not null,
  unit_price_minor bigint  not null,
  discount_minor   bigint  not null default 0,
  sale_discount_minor bigint not null default 0,
  tax_rate_bp      int     not null default 0,
  tax_minor        bigint  not null default 0,
  total_minor      bigint  not null,
  cost_minor       bigint,
  returned         bigint  not null default 0,
  product_name     text    not null,
  product_sku      text    not null,
  constraint sale_item_pkey primary key (id),
  constraint sale_item_tenant_key unique (tenant_id, id),
  constraint sale_item_line_key unique (sale_id, line),
  constraint sale_item_quantity_check check (quantity between 1 and 1000000 and returned between 0 and quantity),
  constraint sale_item_money_check check (unit_price_minor >= 0 and discount_minor >= 0 and tax_minor >= 0 and tax_rate_bp between 0 and 10000 and cost_minor >= 0 and total_minor = quantity * unit_price_minor - discount_minor and total_minor >= 0 and sale_discount_minor between 0 and total_minor),
  constraint sale_item_sale_fkey foreign key (tenant_id, sale_id) references sales.sale (tenant_id, id)
);
create index sale_item_product on sales.sale_item (tenant_id, product_id, id);
comment on column sales.sale_item.total_minor is 'quantity x unit price - discount, before tax.';
comment on column sales.sale_item.sale_discount_minor is 'Its share of the discount on the whole sale, not in total_minor; the shares add up to the unit. What the line is worth when it comes back is total - share + tax.';
comment on column sales.sale_item.cost_minor is 'What the whole line cost, landed, by the items it was taken from; set at checkout.';

create table sales.reservation (
  id            uuid        not null,
  tenant_id     uuid        not null,
  sale_id       uuid        not null,
  storefront_id uuid        not null,
  product_id    uuid        not null,
  quantity      bigint      not null,
  status        text        not null default 'ACTIVE',
  expires_at    timestamptz not null,
  created_at    timestamptz not null default now(),
  ended_at      timestamptz,
  constraint reservation_pkey primary key (id),
  constraint reservation_quantity_check check (quantity > 0),
  constraint reservation_status_check check (status in ('ACTIVE','COMMITTED','RELEASED','CANCELLED') and (status = 'ACTIVE') = (ended_at is null)),
  constraint reservation_sale_fkey foreign key (tenant_id, sale_id) references sales.sale (tenant_id, id)
) with (fillfactor = 80);
create unique index reservation_active_key on sales.reservation (sale_id, product_id) where status = 'ACTIVE';
create index reservation_stock on sales.reservation (tenant_id, storefront_id, product_id) where status = 'ACTIVE';
create index reservation_expiry on sales.reservation (expires_at) where status = 'ACTIVE';
create index reservation_ended on sales.reservation (ended_at) where status <> 'ACTIVE';
create index reservation_sale on sales.reservation (sale_id);
comment on table sales.reservation is 'Stock set aside for a cart, for a while. Only rows that are ACTIVE and have not expired lower what is available.';

create table sales.payment (
  id           uuid        not null,
  tenant_id    uuid        not null,
  sale_id      uuid,
  customer_id  uuid        not null,
  amount_minor bigint      not null,
  currency     char(3)     not null,
  method       text        not null,
  status       text        not null default 'SUCCESSFUL',
  reference    text        not null default '',
  processed_by uuid        not null,
  at           timestamptz not null default clock_timestamp(),
  constraint payment_pkey primary key (id),
  constraint payment_amount_check check (amount_minor > 0),
  constraint payment_method_check check (method in ('CASH','MOMO','CARD','PAYSTACK','STRIPE','BANK_TRANSFER','CHECK','EXCHANGE')),
  constraint payment_status_check check (status in ('SUCCESSFUL','PENDING','FAILED','CANCELLED')),
  constraint payment_text_check check (length(reference) <= 100),
  constraint payment_sale_fkey foreign key (tenant_id, sale_id) references sales.sale (tenant_id, id),
  constraint payment_customer_fkey foreign key (tenant_id, customer_id) references sales.customer (tenant_id, id)
);
create index payment_sale on sales.payment (sale_id);
create index payment_at on sales.payment (tenant_id, at, id);
create index payment_customer on sales.payment (tenant_id, customer_id, id);
comment on table sales.payment is 'What was paid, append only. The method EXCHANGE is no money: goods that came back paid for others.';

create table sales.refund (
  id             uuid        not null,
  tenant_id      uuid        not null,
  sale_id        uuid        not null,
  type           text        not null,
  status         text        not null default 'PROCESSED',
  currency       char(3)     not null,
  amount_minor   bigint      not null,
  cash_minor     bigint      not null default 0,
  exchanged_minor bigint     not null default 0,
  method         text,
  restock        boolean     not null default true,
  reason         text        not null,
  exchange_sale_id uuid,
  created_by     uuid        not null,
  at             timestamptz not null default clock_timestamp(),
  constraint refund_pkey primary key (id),
  constraint refund_tenant_key unique (tenant_id, id),
  constraint refund_type_check check (type in ('FULL','PARTIAL','EXCHANGE')),
  constraint refund_status_check check (status in ('PENDING','APPROVED','PROCESSED','REJECTED')),
  constraint refund_amount_check check (amount_minor >= 0 and cash_minor between 0 and amount_minor and exchanged_minor between 0 and cash_minor),
  constraint refund_text_check check (length(reason) between 1 and 500),
  constraint refund_sale_fkey foreign key (tenant_id, sale_id) references sales.sale (tenant_id, id)
);
create index refund_sale on sales.refund (sale_id);
create index refund_at on sales.refund (tenant_id, at, id);
comment on column sales.refund.cash_minor is 'The part of amount that lowered no debt. exchanged_minor of it paid for the exchange sale; the rest was given back by method.';

create table sales.refund_item (
  id           uuid   not null,
  tenant_id    uuid   not null,
  refund_id    uuid   not null,
  sale_item_id uuid   not null,
  quantity     bigint not null,
  amount_minor bigint not null,
  cost_minor   bigint not null default 0,
  constraint refund_item_pkey primary key (id),
  constraint refund_item_line_key unique (refund_id, sale_item_id),
  constraint refund_item_numbers_check check (quantity > 0 and amount_minor >= 0 and cost_minor >= 0),
  constraint refund_item_refund_fkey foreign key (tenant_id, refund_id) references sales.refund (tenant_id, id),
  constraint refund_item_item_fkey foreign key (tenant_id, sale_item_id) references sales.sale_item (tenant_id, id)
);
create index refund_item_item on sales.refund_item (sale_item_id);
comment on column sales.refund_item.cost_minor is 'Landed cost of what went back on the shelf; 0 when it did not.';

create table sales.receivable (
  id                uuid        not null,
  tenant_id         uuid        not null,
  sale_id           uuid        not null,
  customer_id       uuid        not null,
  currency          char(3)     not null,
  original_minor    bigint      not null,
  paid_minor        bigint      not null default 0,
  returned_minor    bigint      not null default 0,
  outstanding_minor bigint      not null,
  status            text        not null default 'PENDING',
  due_date          date        not null,
  created_at        timestamptz not null default now(),
  updated_at        timestamptz not null default now(),
  constraint receivable_pkey primary key (id),
  constraint receivable_tenant_key unique (tenant_id, id),
  constraint receivable_sale_key unique (sale_id),
  constraint receivable_status_check check (status in ('PENDING','PARTIAL','PAID','WRITTEN_OFF','IN_COLLECTION')),
  constraint receivable_books_check check (original_minor > 0 and least(paid_minor, returned_minor, outstanding_minor) >= 0
    and (status = 'WRITTEN_OFF' or original_minor = paid_minor + returned_minor + outstanding_minor) and (outstanding_minor = 0) = (status in ('PAID','WRITTEN_OFF'))),
  constraint receivable_sale_fkey foreign key (tenant_id, sale_id) references sales.sale (tenant_id, id),
  constraint receivable_customer_fkey foreign key (tenant_id, customer_id) references sales.customer (tenant_id, id)
) with (fillfactor = 80);
create index receivable_list on sales.receivable (tenant_id, id);
create index receivable_customer on sales.receivable (tenant_id, customer_id, id);
create index receivable_open on sales.receivable (tenant_id, due_date, id) where outstanding_minor > 0;

create table sales.receivable_payment (
  id            uuid        not null,
  tenant_id     uuid        not null,
  receivable_id uuid        not null,
  payment_id    uuid        not null,
  amount_minor  bigint      not null,
  at            timestamptz not null default clock_timestamp(),
  constraint receivable_payment_pkey primary key (id),
  constraint receivable_payment_amount_check check (amount_minor > 0),
  constraint receivable_payment_receivable_fkey foreign key (tenant_id, receivable_id) references sales.receivable (tenant_id, id)
);
create index receivable_payment_receivable on sales.receivable_payment (receivable_id);
comment on table sales.receivable_payment is 'Which part of a payment went to which receivable, append only.';

create table sales.receipt_counter (
  tenant_id     uuid not null,
  storefront_id uuid not null,
  day           date not null,
  last          int  not null,
  constraint receipt_counter_pkey primary key (tenant_id, storefront_id, day)
) with (fillfactor = 50);
comment on table sales.receipt_counter is 'The last receipt number of a storefront''s local day. Taking a number locks the row until commit, so take it last.';

create table sales.receivable_check (
  tenant_id  uuid        not null,
  day        date        not null,
  checked_at timestamptz not null,
  customers  bigint      not null,
  faults     int         not null,
  details    jsonb       not null default '[]',
  constraint receivable_check_pkey primary key (tenant_id, day)
);
comment on table sales.receivable_check is 'What the nightly comparison of debts, receivables and credit transactions found, by business.';

do $$
declare t text;
begin
  foreach t in array array['customer','credit_transaction','sale','sale_item','reservation','payment','refund','refund_item','receivable','receivable_payment','receipt_counter','receivable_check'] loop
    execute format('alter table sales.%I enable row level security', t);
    execute format('alter table sales.%I force row level security', t);
    execute format('create policy %I on sales.%I using (tenant_id = any ((select app.tenants())::uuid[])) with check (tenant_id = any ((select app.tenants())::uuid[]))', t || '_tenant', t);
  end loop;
end $$;
-- Sweeps find the rows that are due over all businesses, then bind to those businesses before they write.
create policy reservation_sweep on sales.reservation for select to makola_inventory using ((select app.is_system()));
create policy sale_sweep on sales.sale for select to makola_inventory using ((select app.is_system()));

-- See inventory.matching_products.
grant usage, create on schema sales to makola_search;
grant select (id, tenant_id, search) on sales.customer to makola_search;
create policy customer_search on sales.customer for select to makola_search using (true);
create function sales.matching_customers(pattern text) returns setof uuid language sql stable security definer set search_path = pg_catalog
as $f$ select c.id from sales.customer c where c.tenant_id = (select (app.tenants())[1]) and c.search like pattern $f$;
comment on function sales.matching_customers is 'Ids of the customers of the tenant that is bound (the first one) whose name, phone or address matches a lower-case LIKE pattern.';
alter function sales.matching_customers(text) owner to makola_search;
revoke create on schema sales from makola_search;
revoke all on function sales.matching_customers(text) from public;

create view sales.v_reserved with (security_invoker = true) as
select tenant_id, storefront_id, product_id, sum(quantity)::bigint as quantity
  from sales.reservation where status = 'ACTIVE' and expires_at > now() group by 1, 2, 3;
comment on view sales.v_reserved is 'What carts hold of a product in a storefront. Stock that is available is what is on hand without it.';
create view sales.v_sold with (security_invoker = true) as
select s.tenant_id, s.storefront_id, s.id as sale_id, s.completed_at, s.customer_id, i.id as sale_item_id, i.product_id, i.quantity, i.returned, i.total_minor, i.tax_minor, i.cost_minor, s.currency, i.sale_discount_minor
  from sales.sale s join sales.sale_item i on i.tenant_id = s.tenant_id and i.sale_id = s.id
 where s.status in ('PENDING','PARTIAL','COMPLETED','REFUNDED');
comment on view sales.v_sold is 'Lines of sales that took place: no carts, nothing cancelled.';

grant usage on schema sales to makola_gateway, makola_inventory, makola_reports;
grant execute on function sales.matching_customers(text) to makola_gateway, makola_reports;
grant select on all tables in schema sales to makola_gateway, makola_inventory, makola_reports;
grant insert on sales.customer, sales.credit_transaction, sales.sale, sales.sale_item, sales.reservation, sales.payment, sales.refund, sales.refund_item, sales.receivable,
  sales.receivable_payment, sales.receipt_counter to makola_gateway;
grant update (name, email, phone, address, type, credit_limit_minor, credit_terms_days, credit_blocked, is_active, updated_at) on sales.customer to makola_gateway;
grant update (customer_id, receipt_number, type, status, subtotal_minor, discount_minor, tax_minor, total_minor, paid_minor, returned_minor, cash_refunded_minor, due_minor, change_minor, payment_type,
  is_credit_sale, override_by, override_reason, notes, updated_at, completed_at, ended_at) on sales.sale to makola_gateway;
grant update (quantity, unit_price_minor, discount_minor, sale_discount_minor, tax_rate_bp, tax_minor, total_minor, cost_minor, returned) on sales.sale_item to makola_gateway;
grant delete on sales.sale_item to makola_gateway;
grant update (quantity, status, expires_at, ended_at) on sales.reservation to makola_gateway;
grant update (paid_minor, returned_minor, outstanding_minor, status, updated_at) on sales.receivable to makola_gateway;
grant update (last) on sales.receipt_counter to makola_gateway;
-- The import brings customers; the sweeps end reservations and abandoned carts.
grant insert on sales.customer to makola_inventory;
grant update (name, email, address, type, credit_limit_minor, credit_terms_days, is_active, updated_at) on sales.customer to makola_inventory;
grant update (status, ended_at) on sales.reservation to makola_inventory;
grant delete on sales.reservation to makola_inventory;
grant update (status, updated_at, ended_at) on sales.sale to makola_inventory;
grant insert, update on sales.receivable_check to makola_inventory;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
drop schema sales cascade;
-- +goose StatementEnd
