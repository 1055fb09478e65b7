-- Two days of a small shop in Lagos, one hour ahead of UTC: 10 and 11 March 2026. Ids end in what they are: 01 Ama (owner), 02 Kofi (manager of 22 alone), 10 the business, 11 another.
-- Between those midnights three sales of 20.90, 9.00 and 10.00 took place, one of 10.00 was cancelled, and a refund of 10.00 was given for a sale of February.
select set_config('app.tenants', '{01900000-0000-7000-8000-000000000010,01900000-0000-7000-8000-000000000011}', false);

create function pg_temp.u(n text) returns uuid language sql immutable as $f$ select ('01900000-0000-7000-8000-' || lpad(n, 12, '0'))::uuid $f$;

insert into accounts.user (id, email, name, password_hash, account_type, email_verified, is_active) values
  (pg_temp.u('01'), 'ama@example.com', 'Ama Ẹ̀bùn', '!', 'OWNER', true, true), (pg_temp.u('02'), 'kofi@example.com', 'Kofi', '!', 'EMPLOYEE', true, true),
  (pg_temp.u('03'), 'esi@example.com', 'Esi', '!', 'OWNER', true, true);
insert into accounts.business (id, owner_id, name, tin, email, address, phone_numbers, timezone) values
  (pg_temp.u('10'), pg_temp.u('01'), 'Ẹ̀bùn & Daughters', 'C0012345678', 'shop@example.com', E'14 Ring Road\nLagos', '{+2348012345678}', 'Africa/Lagos'),
  (pg_temp.u('11'), pg_temp.u('03'), 'Somebody Else', null, 'else@example.com', '', '{}', 'Africa/Lagos');
insert into accounts.membership (tenant_id, user_id, role) values (pg_temp.u('10'), pg_temp.u('01'), 'OWNER'), (pg_temp.u('10'), pg_temp.u('02'), 'MANAGER'), (pg_temp.u('11'), pg_temp.u('03'), 'OWNER');
insert into accounts.storefront_assignment (tenant_id, user_id, storefront_id) values (pg_temp.u('10'), pg_temp.u('02'), pg_temp.u('22'));

insert into inventory.location (id, tenant_id, kind, name, code) values
  (pg_temp.u('21'), pg_temp.u('10'), 'STOREFRONT', 'Makola Main', 'MKL'), (pg_temp.u('22'), pg_temp.u('10'), 'STOREFRONT', 'Osu', 'OSU'), (pg_temp.u('23'), pg_temp.u('11'), 'STOREFRONT', 'Elsewhere', 'ELS');
insert into inventory.category (id, tenant_id, name) values (pg_temp.u('30'), pg_temp.u('10'), 'Food');
insert into inventory.product (id, tenant_id, name, sku, barcode, category_id, unit) values
  (pg_temp.u('40'), pg_temp.u('10'), 'Rice 1 kg', 'RICE', '5901234123457', pg_temp.u('30'), 'bag'), (pg_temp.u('41'), pg_temp.u('10'), '=SUM(A1) "Soap"', 'SOAP', null, null, 'pcs'),
  (pg_temp.u('42'), pg_temp.u('10'), 'Salt', 'SALT', null, pg_temp.u('30'), 'pcs'), (pg_temp.u('43'), pg_temp.u('11'), 'Secret', 'SECRET', null, null, 'pcs');
insert into inventory.stock_batch (id, tenant_id, arrival_date, created_by) values (pg_temp.u('60'), pg_temp.u('10'), '2026-01-01', pg_temp.u('01')), (pg_temp.u('61'), pg_temp.u('11'), '2026-01-01', pg_temp.u('03'));
insert into inventory.stock_item (id, tenant_id, batch_id, location_id, product_id, expiry_date, quantity_received, currency, unit_cost_minor, unit_additional_minor, retail_price_minor) values
  (pg_temp.u('62'), pg_temp.u('10'), pg_temp.u('60'), pg_temp.u('21'), pg_temp.u('40'), '2026-12-31', 100, 'GHS', 550, 50, 1000), (pg_temp.u('63'), pg_temp.u('10'), pg_temp.u('60'), pg_temp.u('22'), pg_temp.u('41'), null, 5, 'GHS', 200, 0, 333),
  (pg_temp.u('64'), pg_temp.u('10'), pg_temp.u('60'), pg_temp.u('21'), pg_temp.u('42'), null, 1, 'GHS', 50, 0, 100), (pg_temp.u('65'), pg_temp.u('11'), pg_temp.u('61'), pg_temp.u('23'), pg_temp.u('43'), null, 7, 'GHS', 50, 0, 100),
  (pg_temp.u('66'), pg_temp.u('10'), pg_temp.u('60'), pg_temp.u('21'), pg_temp.u('40'), '2026-06-30', 1, 'GHS', 601, 0, 1000);
insert into inventory.movement (id, tenant_id, product_id, location_id, stock_item_id, delta, kind, source_type, source_id, at)
  select gen_random_uuid(), tenant_id, product_id, location_id, id, quantity_received, 'INTAKE', 'stock_batch', batch_id, '2026-03-01 08:00+00' from inventory.stock_item;
insert into inventory.movement (id, tenant_id, product_id, location_id, stock_item_id, delta, kind, source_type, source_id, at)
  values (gen_random_uuid(), pg_temp.u('10'), pg_temp.u('42'), pg_temp.u('21'), pg_temp.u('64'), -1, 'ADJUSTMENT', 'stock_adjustment', gen_random_uuid(), '2026-03-02 08:00+00');
update inventory.stock_level set updated_at = '2026-03-02 08:00+00';

insert into sales.customer (id, tenant_id, name, email, phone, address, type, currency, credit_limit_minor, is_walk_in, created_at) values
  (pg_temp.u('50'), pg_temp.u('10'), 'Walk-In-Customer', null, '+233000000000', '', 'RETAIL', 'GHS', 0, true, '2026-01-01 08:00+00'),
  (pg_temp.u('51'), pg_temp.u('10'), '+Esi "Quote", Ltd', 'esi@quote.example', '0244000111', E'1 High Street\nOsu', 'WHOLESALE', 'GHS', 50000, false, '2026-01-31 23:30+00'),
  (pg_temp.u('52'), pg_temp.u('11'), 'Their Customer', null, '0200000000', '', 'RETAIL', 'GHS', 0, true, '2026-01-01 08:00+00');

insert into sales.sale (id, tenant_id, storefront_id, user_id, customer_id, receipt_number, type, status, currency, subtotal_minor, discount_minor, tax_minor, total_minor, paid_minor, returned_minor,
    cash_refunded_minor, due_minor, payment_type, is_credit_sale, notes, completed_at, created_at) values
  (pg_temp.u('71'), pg_temp.u('10'), pg_temp.u('21'), pg_temp.u('01'), pg_temp.u('50'), 'MKL-20260310-0001', 'RETAIL', 'COMPLETED', 'GHS', 2000, 100, 190, 2090, 2090, 0, 0, 0, 'CASH', false, '@late', '2026-03-10 22:30+00', '2026-03-10 22:29+00'),
  (pg_temp.u('72'), pg_temp.u('10'), pg_temp.u('22'), pg_temp.u('02'), pg_temp.u('51'), 'OSU-20260311-0001', 'WHOLESALE', 'PARTIAL', 'GHS', 900, 0, 0, 900, 400, 0, 0, 500, 'MIXED', true, '', '2026-03-10 23:30+00', '2026-03-10 23:29+00'),
  (pg_temp.u('73'), pg_temp.u('10'), pg_temp.u('21'), pg_temp.u('01'), pg_temp.u('50'), 'MKL-20260311-0001', 'RETAIL', 'CANCELLED', 'GHS', 1000, 0, 0, 1000, 1000, 1000, 1000, 0, 'CASH', false, '', '2026-03-11 09:00+00', '2026-03-11 09:00+00'),
  (pg_temp.u('74'), pg_temp.u('10'), pg_temp.u('21'), pg_temp.u('01'), pg_temp.u('50'), 'MKL-20260311-0002', 'RETAIL', 'REFUNDED', 'GHS', 1000, 0, 0, 1000, 1000, 1000, 1000, 0, 'CASH', false, '', '2026-03-11 10:00+00', '2026-03-11 10:00+00'),
  (pg_temp.u('75'), pg_temp.u('10'), pg_temp.u('21'), pg_temp.u('01'), pg_temp.u('50'), null, 'RETAIL', 'DRAFT', 'GHS', 1000, 0, 0, 1000, 0, 0, 0, 0, null, false, '', null, '2026-03-11 11:00+00'),
  (pg_temp.u('76'), pg_temp.u('10'), pg_temp.u('21'), pg_temp.u('01'), pg_temp.u('50'), 'MKL-20260228-0001', 'RETAIL', 'COMPLETED', 'GHS', 3000, 0, 0, 3000, 3000, 1000, 1000, 0, 'CASH', false, '', '2026-02-28 10:00+00', '2026-02-28 10:00+00'),
  (pg_temp.u('77'), pg_temp.u('11'), pg_temp.u('23'), pg_temp.u('03'), pg_temp.u('52'), 'ELS-20260310-0001', 'RETAIL', 'COMPLETED', 'GHS', 77700, 0, 0, 77700, 77700, 0, 0, 0, 'CASH', false, 'SECRET', '2026-03-10 10:00+00', '2026-03-10 10:00+00');
insert into sales.sale_item (id, tenant_id, sale_id, line, product_id, quantity, unit_price_minor, discount_minor, sale_discount_minor, tax_rate_bp, tax_minor, total_minor, cost_minor, returned, product_name, product_sku) values
  (pg_temp.u('81'), pg_temp.u('10'), pg_temp.u('71'), 1, pg_temp.u('40'), 2, 1000, 0, 100, 1000, 190, 2000, 1200, 0, 'Rice 1 kg', 'RICE'),
  (pg_temp.u('82'), pg_temp.u('10'), pg_temp.u('72'), 1, pg_temp.u('41'), 3, 333, 99, 0, 0, 0, 900, 600, 0, '=SUM(A1) "Soap"', 'SOAP'),
  (pg_temp.u('83'), pg_temp.u('10'), pg_temp.u('73'), 1, pg_temp.u('40'), 1, 1000, 0, 0, 0, 0, 1000, 600, 1, 'Rice 1 kg', 'RICE'),
  (pg_temp.u('84'), pg_temp.u('10'), pg_temp.u('74'), 1, pg_temp.u('40'), 1, 1000, 0, 0, 0, 0, 1000, 600, 1, 'Rice 1 kg', 'RICE'),
  (pg_temp.u('86'), pg_temp.u('10'), pg_temp.u('76'), 1, pg_temp.u('40'), 3, 1000, 0, 0, 0, 0, 3000, 1800, 1, 'Rice 1 kg', 'RICE'),
  (pg_temp.u('87'), pg_temp.u('11'), pg_temp.u('77'), 1, pg_temp.u('43'), 1, 77700, 0, 0, 0, 0, 77700, 1, 0, 'Secret', 'SECRET');
insert into sales.payment (id, tenant_id, sale_id, customer_id, amount_minor, currency, method, reference, processed_by, at) values
  (pg_temp.u('91'), pg_temp.u('10'), pg_temp.u('71'), pg_temp.u('50'), 2090, 'GHS', 'CASH', '', pg_temp.u('01'), '2026-03-10 22:30+00'),
  (pg_temp.u('92'), pg_temp.u('10'), pg_temp.u('72'), pg_temp.u('51'), 400, 'GHS', 'MOMO', '=MM-1', pg_temp.u('02'), '2026-03-10 23:30+00'),
  (pg_temp.u('93'), pg_temp.u('10'), pg_temp.u('73'), pg_temp.u('50'), 1000, 'GHS', 'CASH', '', pg_temp.u('01'), '2026-03-11 09:00+00'),
  (pg_temp.u('94'), pg_temp.u('10'), pg_temp.u('74'), pg_temp.u('50'), 1000, 'GHS', 'CASH', '', pg_temp.u('01'), '2026-03-11 10:00+00'),
  (pg_temp.u('95'), pg_temp.u('10'), null, pg_temp.u('51'), 100, 'GHS', 'CHECK', 'on account', pg_temp.u('01'), '2026-03-11 12:00+00'),
  (pg_temp.u('96'), pg_temp.u('10'), pg_temp.u('76'), pg_temp.u('50'), 3000, 'GHS', 'CASH', '', pg_temp.u('01'), '2026-02-28 10:00+00');
insert into sales.refund (id, tenant_id, sale_id, type, currency, amount_minor, cash_minor, method, reason, created_by, at) values
  (pg_temp.u('a3'), pg_temp.u('10'), pg_temp.u('73'), 'FULL', 'GHS', 1000, 1000, 'CASH', 'wrong till', pg_temp.u('01'), '2026-03-11 09:30+00'),
  (pg_temp.u('a4'), pg_temp.u('10'), pg_temp.u('74'), 'FULL', 'GHS', 1000, 1000, 'CASH', 'stale', pg_temp.u('01'), '2026-03-12 09:00+00'),
  (pg_temp.u('a6'), pg_temp.u('10'), pg_temp.u('76'), 'PARTIAL', 'GHS', 1000, 1000, 'CASH', 'torn bag', pg_temp.u('01'), '2026-03-10 12:00+00');
insert into sales.refund_item (id, tenant_id, refund_id, sale_item_id, quantity, amount_minor, cost_minor) values
  (pg_temp.u('b3'), pg_temp.u('10'), pg_temp.u('a3'), pg_temp.u('83'), 1, 1000, 600), (pg_temp.u('b4'), pg_temp.u('10'), pg_temp.u('a4'), pg_temp.u('84'), 1, 1000, 600),
  (pg_temp.u('b6'), pg_temp.u('10'), pg_temp.u('a6'), pg_temp.u('86'), 1, 1000, 600);
insert into sales.receivable (id, tenant_id, sale_id, customer_id, currency, original_minor, outstanding_minor, due_date) values (pg_temp.u('c2'), pg_temp.u('10'), pg_temp.u('72'), pg_temp.u('51'), 'GHS', 500, 500, '2026-04-10');
insert into sales.credit_transaction (id, tenant_id, customer_id, kind, amount_minor, balance_minor, source_type, source_id) values (pg_temp.u('d2'), pg_temp.u('10'), pg_temp.u('51'), 'CREDIT_SALE', 500, 500, 'sale', pg_temp.u('72'));
select set_config('app.tenants', '', false);
