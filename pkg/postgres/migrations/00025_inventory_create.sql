-- Owner: pkg/inventory. Why: places, products, deliveries, the movement ledger that every on-hand figure follows from, adjustments, transfers, alerts.
-- Locks: none, the tables are new (accounts.business is read). Long on a big table: no.
-- Back: Down (loses all stock). The extensions pg_trgm and btree_gin stay; both come with PostgreSQL and are trusted, so the database's owner may create them.
-- +goose Up
-- +goose StatementBegin
create extension if not exists pg_trgm;
create extension if not exists btree_gin;
create schema inventory;

create table inventory.location (
  id         uuid        not null,
  tenant_id  uuid        not null,
  kind       text        not null,
  name       text        not null,
  code       text        not null,
  address    text        not null default '',
  manager_id uuid,
  is_active  boolean     not null default true,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint location_pkey primary key (id),
  constraint location_tenant_key unique (tenant_id, id),
  constraint location_code_key unique (tenant_id, code),
  constraint location_kind_check check (kind in ('WAREHOUSE','STOREFRONT')),
  constraint location_text_check check (length(name) between 1 and 100 and code ~ '^[A-Z0-9]{2,8}$' and length(address) <= 300),
  constraint location_business_fkey foreign key (tenant_id) references accounts.business (id),
  constraint location_manager_fkey foreign key (tenant_id, manager_id) references accounts.membership (tenant_id, user_id)
);
create unique index location_name_key on inventory.location (tenant_id, kind, lower(name));
comment on table inventory.location is 'A place that holds stock: a warehouse, or a storefront that also sells.';
comment on column inventory.location.code is 'Short and unique in the business: a storefront''s receipts begin with it, so it never changes after the first one.';

create table inventory.category (
  id         uuid        not null,
  tenant_id  uuid        not null,
  name       text        not null,
  parent_id  uuid,
  created_at timestamptz not null default now(),
  constraint category_pkey primary key (id),
  constraint category_tenant_key unique (tenant_id, id),
  constraint category_name_check check (length(name) between 1 and 100 and parent_id is distinct from id),
  constraint category_parent_fkey foreign key (tenant_id, parent_id) references inventory.category (tenant_id, id)
);
create unique index category_name_key on inventory.category (tenant_id, lower(name));

create table inventory.supplier (
  id         uuid        not null,
  tenant_id  uuid        not null,
  name       text        not null,
  contact    text        not null default '',
  email      text        not null default '',
  phone      text        not null default '',
  is_active  boolean     not null default true,
  created_at timestamptz not null default now(),
  constraint supplier_pkey primary key (id),
  constraint supplier_tenant_key unique (tenant_id, id),
  constraint supplier_text_check check (length(name) between 1 and 100 and length(contact) <= 100 and length(email) <= 254 and length(phone) <= 30)
);
create unique index supplier_name_key on inventory.supplier (tenant_id, lower(name));

create table inventory.product (
  id            uuid        not null,
  tenant_id     uuid        not null,
  name          text        not null,
  sku           text        not null,
  barcode       text,
  category_id   uuid,
  unit          text        not null default 'pcs',
  reorder_level bigint,
  alerts_muted  boolean     not null default false,
  is_active     boolean     not null default true,
  created_at    timestamptz not null default now(),
  updated_at    timestamptz not null default now(),
  search        text        generated always as (lower(name || ' ' || sku || ' ' || coalesce(barcode, ''))) stored,
  constraint product_pkey primary key (id),
  constraint product_tenant_key unique (tenant_id, id),
  constraint product_text_check check (length(name) between 1 and 200 and length(sku) between 1 and 64 and length(barcode) between 1 and 64 and length(unit) between 1 and 20),
  constraint product_reorder_level_check check (reorder_level between 0 and 1000000000),
  constraint product_business_fkey foreign key (tenant_id) references accounts.business (id),
  constraint product_category_fkey foreign key (tenant_id, category_id) references inventory.category (tenant_id, id)
);
create unique index product_sku_key on inventory.product (tenant_id, lower(sku));
create index product_barcode on inventory.product (tenant_id, barcode) where barcode is not null;
create index product_name on inventory.product (tenant_id, lower(name), id);
create index product_category on inventory.product (tenant_id, category_id);
create index product_search on inventory.product using gin (tenant_id, search gin_trgm_ops);
comment on column inventory.product.reorder_level is 'At or below it stock is low. Null: the business''s own default. A location may override it.';
comment on column inventory.product.alerts_muted is 'True keeps the product out of alerts and digests.';

create table inventory.stock_batch (
  id           uuid        not null,
  tenant_id    uuid        not null,
  arrival_date date        not null,
  reference    text        not null default '',
  description  text        not null default '',
  created_by   uuid        not null,
  created_at   timestamptz not null default now(),
  constraint stock_batch_pkey primary key (id),
  constraint stock_batch_tenant_key unique (tenant_id, id),
  constraint stock_batch_text_check check (length(reference) <= 100 and length(description) <= 500)
);
comment on table inventory.stock_batch is 'One delivery: the header of the stock items that arrived together.';

create table inventory.stock_item (
  id                    uuid        not null,
  tenant_id             uuid        not null,
  batch_id              uuid        not null,
  location_id           uuid        not null,
  product_id            uuid        not null,
  supplier_id           uuid,
  source_item_id        uuid,
  expiry_date           date,
  quantity_received     bigint      not null,
  on_hand               bigint      not null default 0,
  currency              char(3)     not null,
  unit_cost_minor       bigint      not null,
  unit_tax_minor        bigint      not null default 0,
  unit_additional_minor bigint      not null default 0,
  unit_landed_minor     bigint      generated always as (unit_cost_minor + unit_tax_minor + unit_additional_minor) stored,
  retail_price_minor    bigint      not null,
  wholesale_price_minor bigint,
  created_at            timestamptz not null default now(),
  constraint stock_item_pkey primary key (id),
  constraint stock_item_place_key unique (tenant_id, id, location_id, product_id),
  constraint stock_item_key unique nulls not distinct (tenant_id, batch_id, location_id, product_id, supplier_id, expiry_date, unit_cost_minor, source_item_id),
  constraint stock_item_on_hand_check check (on_hand >= 0),
  constraint stock_item_quantity_check check (quantity_received between 1 and 1000000000),
  constraint stock_item_money_check check (unit_cost_minor >= 0 and unit_tax_minor >= 0 and unit_additional_minor >= 0 and retail_price_minor >= 0 and wholesale_price_minor >= 0),
  constraint stock_item_batch_fkey foreign key (tenant_id, batch_id) references inventory.stock_batch (tenant_id, id),
  constraint stock_item_location_fkey foreign key (tenant_id, location_id) references inventory.location (tenant_id, id),
  constraint stock_item_product_fkey foreign key (tenant_id, product_id) references inventory.product (tenant_id, id),
  constraint stock_item_supplier_fkey foreign key (tenant_id, supplier_id) references inventory.supplier (tenant_id, id)
) with (fillfactor = 80);
create index stock_item_stock on inventory.stock_item (tenant_id, location_id, product_id, expiry_date nulls last, id) where on_hand > 0;
create index stock_item_product on inventory.stock_item (tenant_id, product_id, id);
create index stock_item_expiry on inventory.stock_item (tenant_id, expiry_date, id) where on_hand > 0 and expiry_date is not null;
create index stock_item_batch on inventory.stock_item (tenant_id, batch_id);
comment on table inventory.stock_item is 'One product of one delivery at one place, with its expiry and its landed cost. Stock leaves it first expired, first out. What a transfer brings becomes an item of its own with source_item_id, the same batch, cost, prices and expiry.';

create table inventory.stock_level (
  tenant_id             uuid        not null,
  location_id           uuid        not null,
  product_id            uuid        not null,
  on_hand               bigint      not null default 0,
  currency              char(3)     not null,
  retail_price_minor    bigint      not null,
  wholesale_price_minor bigint,
  reorder_level         bigint,
  updated_at            timestamptz not null default now(),
  constraint stock_level_pkey primary key (tenant_id, location_id, product_id),
  constraint stock_level_on_hand_check check (on_hand >= 0),
  constraint stock_level_money_check check (retail_price_minor >= 0 and wholesale_price_minor >= 0 and reorder_level between 0 and 1000000000),
  constraint stock_level_location_fkey foreign key (tenant_id, location_id) references inventory.location (tenant_id, id),
  constraint stock_level_product_fkey foreign key (tenant_id, product_id) references inventory.product (tenant_id, id)
) with (fillfactor = 70);
create index stock_level_product on inventory.stock_level (tenant_id, product_id);
comment on table inventory.stock_level is 'What one place holds of one product: the sum of its items, its current prices, and its own threshold if it has one. This row is what buyers of the last unit take turns for: lock it, in order of product and place, before anything that changes its stock.';

create table inventory.movement (
  id            uuid        not null,
  tenant_id     uuid        not null,
  product_id    uuid        not null,
  location_id   uuid        not null,
  stock_item_id uuid        not null,
  delta         bigint      not null,
  kind          text        not null,
  source_type   text        not null,
  source_id     uuid        not null,
  reason        text        not null default '',
  user_id       uuid,
  at            timestamptz not null default clock_timestamp(),
  constraint movement_pkey primary key (id),
  constraint movement_delta_check check (delta <> 0),
  constraint movement_kind_check check (kind in ('INTAKE','SALE','REFUND','ADJUSTMENT','TRANSFER_OUT','TRANSFER_IN')),
  constraint movement_sign_check check (case kind when 'SALE' then delta < 0 when 'TRANSFER_OUT' then delta < 0 when 'REFUND' then delta > 0 when 'TRANSFER_IN' then delta > 0 else true end),
  constraint movement_item_fkey foreign key (tenant_id, stock_item_id, location_id, product_id) references inventory.stock_item (tenant_id, id, location_id, product_id)
);
create index movement_product on inventory.movement (tenant_id, product_id, at, id);
create index movement_location on inventory.movement (tenant_id, location_id, at, id);
create index movement_at on inventory.movement (tenant_id, at, id);
create index movement_item on inventory.movement (stock_item_id);
create index movement_source on inventory.movement (source_id);
comment on table inventory.movement is 'The stock ledger, append only. An insert is the one way to change what is on hand: a trigger carries its deltas to stock_item and stock_level, so those cannot disagree with it, and nobody may write them.';

-- The tables' owner keeps the sums; the roles that insert movements have no right to on_hand.
create function inventory.apply_movements() returns trigger language plpgsql security definer set search_path = pg_catalog as $f$
begin
  insert into inventory.stock_level (tenant_id, location_id, product_id, currency, retail_price_minor, wholesale_price_minor)
  select distinct on (i.tenant_id, i.location_id, i.product_id) i.tenant_id, i.location_id, i.product_id, i.currency, i.retail_price_minor, i.wholesale_price_minor
    from new_rows n join inventory.stock_item i on i.tenant_id = n.tenant_id and i.id = n.stock_item_id
   where n.delta > 0 and not exists (select from inventory.stock_level l where l.tenant_id = n.tenant_id and l.location_id = n.location_id and l.product_id = n.product_id)
   order by i.tenant_id, i.location_id, i.product_id, i.id desc
      on conflict do nothing;
  update inventory.stock_item i set on_hand = i.on_hand + n.delta
    from (select tenant_id, stock_item_id, sum(delta) as delta from new_rows group by 1, 2) n
   where i.tenant_id = n.tenant_id and i.id = n.stock_item_id and n.delta <> 0;
  update inventory.stock_level l set on_hand = l.on_hand + n.delta, updated_at = greatest(l.updated_at, n.at)
    from (select tenant_id, location_id, product_id, sum(delta) as delta, max(at) as at from new_rows group by 1, 2, 3) n
   where l.tenant_id = n.tenant_id and l.location_id = n.location_id and l.product_id = n.product_id;
  return null;
end $f$;
create trigger movement_apply after insert on inventory.movement referencing new table as new_rows
  for each statement execute function inventory.apply_movements();

-- The history of an item is in its movements; what was received may be corrected only while nothing else happened to it.
create function inventory.freeze_received() returns trigger language plpgsql security definer set search_path = pg_catalog as $f$
begin
  if exists (select from inventory.movement m where m.tenant_id = old.tenant_id and m.stock_item_id = old.id and m.kind <> 'INTAKE') then
    raise exception 'stock item % has moved: quantity_received is frozen', old.id using errcode = 'check_violation', constraint = 'stock_item_frozen_check', table = 'stock_item', schema = 'inventory';
  end if;
  return new;
end $f$;
create trigger stock_item_freeze before update of quantity_received on inventory.stock_item
  for each row when (old.quantity_received is distinct from new.quantity_received) execute function inventory.freeze_received();

create table inventory.stock_adjustment (
  id              uuid        not null,
  tenant_id       uuid        not null,
  stock_item_id   uuid        not null,
  location_id     uuid        not null,
  product_id      uuid        not null,
  type            text        not null,
  quantity        bigint      not null,
  quantity_before bigint,
  currency        char(3)     not null,
  unit_cost_minor bigint      not null,
  total_cost_minor bigint     generated always as (abs(quantity) * unit_cost_minor) stored,
  reason          text        not null,
  reference       text        not null default '',
  status          text        not null default 'PENDING',
  created_by      uuid        not null,
  decided_by      uuid,
  decided_at      timestamptz,
  completed_at    timestamptz,
  related_sale_id uuid,
  created_at      timestamptz not null default now(),
  updated_at      timestamptz not null default now(),
  constraint stock_adjustment_pkey primary key (id),
  constraint stock_adjustment_type_check check (case
    when type in ('THEFT','DAMAGE','EXPIRED','SPOILAGE','LOSS','SAMPLE','WRITE_OFF','SUPPLIER_RETURN') then quantity < 0
    when type in ('CUSTOMER_RETURN','FOUND','CORRECTION_INCREASE') then quantity > 0
    when type in ('CORRECTION','RECOUNT','OTHER') then quantity <> 0
    else false end),
  constraint stock_adjustment_status_check check (status in ('PENDING','APPROVED','COMPLETED','REJECTED') and (status = 'PENDING') = (decided_at is null) and (status = 'COMPLETED') = (completed_at is not null)),
  constraint stock_adjustment_text_check check (length(reason) between 1 and 500 and length(reference) <= 100),
  constraint stock_adjustment_cost_check check (unit_cost_minor >= 0 and abs(quantity) <= 1000000000),
  constraint stock_adjustment_item_fkey foreign key (tenant_id, stock_item_id, location_id, product_id) references inventory.stock_item (tenant_id, id, location_id, product_id)
);
create index stock_adjustment_tenant on inventory.stock_adjustment (tenant_id, id);
create index stock_adjustment_pending on inventory.stock_adjustment (tenant_id, id) where status = 'PENDING';
create index stock_adjustment_item on inventory.stock_adjustment (stock_item_id);

create table inventory.transfer (
  id             uuid        not null,
  tenant_id      uuid        not null,
  reference      text        not null,
  type           text        not null,
  status         text        not null default 'pending',
  source_id      uuid        not null,
  destination_id uuid        not null,
  expected_arrival date,
  notes          text        not null default '',
  created_by     uuid        not null,
  created_at     timestamptz not null default now(),
  dispatched_by  uuid,
  dispatched_at  timestamptz,
  completed_by   uuid,
  completed_at   timestamptz,
  cancelled_by   uuid,
  cancelled_at   timestamptz,
  constraint transfer_pkey primary key (id),
  constraint transfer_tenant_key unique (tenant_id, id),
  constraint transfer_reference_key unique (tenant_id, reference),
  constraint transfer_type_check check (type in ('W2W','W2S')),
  constraint transfer_status_check check (status in ('pending','in_transit','completed','cancelled')),
  constraint transfer_places_check check (source_id <> destination_id),
  constraint transfer_text_check check (length(notes) <= 500),
  constraint transfer_source_fkey foreign key (tenant_id, source_id) references inventory.location (tenant_id, id),
  constraint transfer_destination_fkey foreign key (tenant_id, destination_id) references inventory.location (tenant_id, id)
);
create index transfer_tenant on inventory.transfer (tenant_id, id);
comment on column inventory.transfer.type is 'W2W: warehouse to warehouse. W2S: warehouse to storefront.';

create table inventory.transfer_item (
  tenant_id   uuid   not null,
  transfer_id uuid   not null,
  product_id  uuid   not null,
  quantity    bigint not null,
  constraint transfer_item_pkey primary key (transfer_id, product_id),
  constraint transfer_item_quantity_check check (quantity between 1 and 1000000000),
  constraint transfer_item_transfer_fkey foreign key (tenant_id, transfer_id) references inventory.transfer (tenant_id, id),
  constraint transfer_item_product_fkey foreign key (tenant_id, product_id) references inventory.product (tenant_id, id)
);
comment on table inventory.transfer_item is 'How much of a product a transfer moves. Which items it came from, at what cost, is in the movements.';

create table inventory.stock_alert (
  id               uuid        not null,
  tenant_id        uuid        not null,
  product_id       uuid        not null,
  location_id      uuid        not null,
  type             text        not null,
  stock_item_id    uuid,
  bucket           smallint,
  current_quantity bigint      not null,
  threshold        bigint      not null,
  opened_at        timestamptz not null default clock_timestamp(),
  resolved_at      timestamptz,
  notified_at      timestamptz,
  acknowledged_at  timestamptz,
  acknowledged_by  uuid,
  snoozed_until    timestamptz,
  constraint stock_alert_pkey primary key (id),
  constraint stock_alert_type_check check (type in ('LOW_STOCK','OUT_OF_STOCK','EXPIRY_WARNING') and (type = 'EXPIRY_WARNING') = (stock_item_id is not null) and (type = 'EXPIRY_WARNING') = (bucket is not null)),
  constraint stock_alert_bucket_check check (bucket in (30, 14, 7, 1, 0)),
  constraint stock_alert_product_fkey foreign key (tenant_id, product_id) references inventory.product (tenant_id, id),
  constraint stock_alert_location_fkey foreign key (tenant_id, location_id) references inventory.location (tenant_id, id)
);
create unique index stock_alert_open_key on inventory.stock_alert (tenant_id, product_id, location_id, type) where resolved_at is null and stock_item_id is null;
create unique index stock_alert_item_key on inventory.stock_alert (tenant_id, stock_item_id, bucket) where stock_item_id is not null;
create index stock_alert_tenant on inventory.stock_alert (tenant_id, id);
create index stock_alert_open on inventory.stock_alert (tenant_id, type, id) where resolved_at is null;
comment on table inventory.stock_alert is 'A crossing, once: stock at or below its threshold, none left, or an item nearing its expiry. It is resolved when the stock recovers, and the next crossing opens another.';
comment on column inventory.stock_alert.bucket is 'Days before expiry that this warning is for: 30, 14, 7, 1, or 0 for expired. One warning for each item and bucket, ever.';

create table inventory.stock_check (
  tenant_id  uuid        not null,
  day        date        not null,
  checked_at timestamptz not null,
  levels     bigint      not null,
  movements  bigint      not null,
  faults     int         not null,
  details    jsonb       not null default '[]',
  constraint stock_check_pkey primary key (tenant_id, day)
);
comment on table inventory.stock_check is 'What the nightly recomputation of on-hand figures from the movements found, by business.';

do $$
declare t text;
begin
  foreach t in array array['location','category','supplier','product','stock_batch','stock_item','stock_level','movement','stock_adjustment','transfer','transfer_item','stock_alert','stock_check'] loop
    execute format('alter table inventory.%I enable row level security', t);
    execute format('alter table inventory.%I force row level security', t);
    execute format('create policy %I on inventory.%I using (tenant_id = any ((select app.tenants())::uuid[])) with check (tenant_id = any ((select app.tenants())::uuid[]))', t || '_tenant', t);
  end loop;
end $$;

-- Searching by part of a word needs the trigram index, and PostgreSQL will not look into an index with an operator that might tell tales (LIKE) before row security has
-- had its say. So the search runs as a role whose only right is to read the searched columns of all tenants, and asks for the tenant itself.
grant usage, create on schema inventory to makola_search;
grant usage on schema app to makola_search;
grant select (id, tenant_id, search) on inventory.product to makola_search;
create policy product_search on inventory.product for select to makola_search using (true);
create function inventory.matching_products(pattern text) returns setof uuid language sql stable security definer set search_path = pg_catalog
as $f$ select p.id from inventory.product p where p.tenant_id = (select (app.tenants())[1]) and p.search like pattern $f$;
comment on function inventory.matching_products is 'Ids of the products of the tenant that is bound (the first one) whose name, SKU or barcode matches a lower-case LIKE pattern.';
alter function inventory.matching_products(text) owner to makola_search;
revoke create on schema inventory from makola_search;
revoke all on function inventory.matching_products(text) from public;

grant usage on schema inventory to makola_gateway, makola_inventory, makola_reports, makola_billing;
grant execute on function inventory.matching_products(text) to makola_gateway, makola_reports;
grant select on all tables in schema inventory to makola_gateway, makola_inventory, makola_reports;
grant select on inventory.location to makola_billing;
grant insert on inventory.location, inventory.category, inventory.supplier, inventory.product, inventory.stock_batch, inventory.stock_item, inventory.stock_level, inventory.movement,
  inventory.stock_adjustment, inventory.transfer, inventory.transfer_item, inventory.stock_alert to makola_gateway;
grant update (name, code, address, manager_id, is_active, updated_at) on inventory.location to makola_gateway;
grant update (name, parent_id) on inventory.category to makola_gateway;
grant update (name, contact, email, phone, is_active) on inventory.supplier to makola_gateway;
grant delete on inventory.location, inventory.category, inventory.supplier to makola_gateway;
grant update (name, sku, barcode, category_id, unit, reorder_level, alerts_muted, is_active, updated_at) on inventory.product to makola_gateway;
grant update (quantity_received, retail_price_minor, wholesale_price_minor) on inventory.stock_item to makola_gateway;
grant update (currency, retail_price_minor, wholesale_price_minor, reorder_level, updated_at) on inventory.stock_level to makola_gateway;
grant update (type, quantity, quantity_before, unit_cost_minor, reason, reference, status, decided_by, decided_at, completed_at, updated_at) on inventory.stock_adjustment to makola_gateway;
grant update (status, dispatched_by, dispatched_at, completed_by, completed_at, cancelled_by, cancelled_at) on inventory.transfer to makola_gateway;
grant update (current_quantity, threshold, resolved_at, acknowledged_at, acknowledged_by, snoozed_until) on inventory.stock_alert to makola_gateway;
-- The import brings products, categories, suppliers and opening stock; the sweeps keep alerts.
grant insert on inventory.category, inventory.supplier, inventory.product, inventory.stock_batch, inventory.stock_item, inventory.stock_level, inventory.movement, inventory.stock_alert to makola_inventory;
grant update (name, barcode, category_id, unit, reorder_level, is_active, updated_at) on inventory.product to makola_inventory;
grant update (currency, retail_price_minor, wholesale_price_minor, reorder_level, updated_at) on inventory.stock_level to makola_inventory;
grant update (current_quantity, threshold, resolved_at, notified_at) on inventory.stock_alert to makola_inventory;
grant insert, update on inventory.stock_check to makola_inventory;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
drop schema inventory cascade;
-- +goose StatementEnd
