-- Owner: pkg/inventory. Why: whom the worker's digests go to, and what it needs to write them.
-- Locks: none but for an instant. Long on a big table: no. Back: Down.
-- +goose Up
-- +goose StatementBegin
-- The view runs with its owner's rights: a worker sees the people of the businesses it is bound to, and these columns of them.
create view accounts.v_recipient with (security_barrier = true) as
select m.tenant_id, m.user_id, m.role, u.name, u.email, b.name as business,
       array(select a.storefront_id from accounts.storefront_assignment a where a.tenant_id = m.tenant_id and a.user_id = m.user_id) as storefronts
  from accounts.membership m
  join accounts.user u on u.id = m.user_id and u.is_active and u.anonymized_at is null
  join accounts.business b on b.id = m.tenant_id
 where m.tenant_id = any ((select app.tenants())::uuid[]) and m.is_active;
comment on view accounts.v_recipient is 'The people of the bound businesses who can be written to.';
-- What the report on movements reads of sales.
create view sales.v_sale with (security_invoker = true) as
select tenant_id, id as sale_id, storefront_id, completed_at, currency, total_minor, tax_minor from sales.sale where status in ('PENDING','PARTIAL','COMPLETED','REFUNDED');
comment on view sales.v_sale is 'Sales that took place: no carts, nothing cancelled.';
create view sales.v_refunded with (security_invoker = true) as
select f.tenant_id, f.id as refund_id, f.at, f.sale_id, i.product_id, r.quantity, r.amount_minor, r.cost_minor
  from sales.refund f
  join sales.sale s on s.tenant_id = f.tenant_id and s.id = f.sale_id and s.status <> 'CANCELLED'
  join sales.refund_item r on r.tenant_id = f.tenant_id and r.refund_id = f.id
  join sales.sale_item i on i.tenant_id = f.tenant_id and i.id = r.sale_item_id
 where f.status = 'PROCESSED';
comment on view sales.v_refunded is 'Lines of sales that came back, with what was given for them, tax included.';
grant select on sales.v_sale, sales.v_refunded to makola_gateway, makola_inventory, makola_reports;
grant select on accounts.v_recipient to makola_inventory;
grant select (id, tenant_id, key), insert on notifications.email to makola_inventory;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
revoke all on notifications.email from makola_inventory;
drop view sales.v_refunded, sales.v_sale;
drop view accounts.v_recipient;
-- +goose StatementEnd
