-- Owner: pkg/assist reads, pkg/sales and pkg/inventory own the tables behind. Why: the figures that a question about the shop may be answered from, for a role that sees no sale, no customer and no product beside them.
-- Locks: none, there are views only. Long on a big table: no. Back: Down (questions cannot be answered).
-- +goose Up
-- +goose StatementBegin
-- These views run with their owner's rights, and the tables behind them force row security on the owner too: what a view shows is walled off twice. None has a name, an
-- address or a number of a person.
create view sales.v_takings with (security_barrier = true) as
select s.tenant_id, s.storefront_id, s.completed_at, s.total_minor, s.discount_minor, s.tax_minor, s.returned_minor, s.due_minor,
       (coalesce(l.kept, 0) + coalesce(b.cost, 0))::bigint as profit_minor
  from sales.sale s
  left join lateral (
    select sum(i.total_minor - i.sale_discount_minor - div((i.total_minor - i.sale_discount_minor)::numeric * i.returned, i.quantity) - coalesce(i.cost_minor, 0)) as kept
      from sales.sale_item i where i.tenant_id = s.tenant_id and i.sale_id = s.id) l on true
  left join lateral (
    select sum(i.cost_minor) as cost from sales.refund r join sales.refund_item i on i.tenant_id = r.tenant_id and i.refund_id = r.id
     where r.tenant_id = s.tenant_id and r.sale_id = s.id) b on true
 where s.completed_at is not null and s.status <> 'CANCELLED' and s.tenant_id = any ((select app.tenants())::uuid[]);
comment on view sales.v_takings is 'What each sale that took place comes to, as sales.Summarize sums it, without saying whose it was.';

create view sales.v_line with (security_barrier = true) as
select s.tenant_id, s.storefront_id, s.completed_at, i.product_id, i.product_name, i.quantity, i.returned, (i.total_minor - i.sale_discount_minor + i.tax_minor)::bigint as total_minor
  from sales.sale s join sales.sale_item i on i.tenant_id = s.tenant_id and i.sale_id = s.id
 where s.completed_at is not null and s.status <> 'CANCELLED' and s.tenant_id = any ((select app.tenants())::uuid[]);
comment on view sales.v_line is 'Lines of sales that took place, at what was charged for them.';

create view sales.v_owed with (security_barrier = true) as
select r.tenant_id, r.customer_id, s.storefront_id, r.outstanding_minor, r.due_date, coalesce(s.completed_at, r.created_at) as sold_at
  from sales.receivable r join sales.sale s on s.tenant_id = r.tenant_id and s.id = r.sale_id
 where r.outstanding_minor > 0 and r.tenant_id = any ((select app.tenants())::uuid[]);
comment on view sales.v_owed is 'What is owed, by the customer''s id alone.';

create view inventory.v_held with (security_barrier = true) as
select l.tenant_id, l.location_id, o.name as place, o.kind, l.product_id, p.name as product, p.sku, p.unit, l.on_hand, coalesce(l.reorder_level, p.reorder_level) as reorder_level,
       coalesce((select sum(i.on_hand * i.unit_landed_minor) from inventory.stock_item i
                  where i.tenant_id = l.tenant_id and i.location_id = l.location_id and i.product_id = l.product_id and i.on_hand > 0), 0)::bigint as value_minor
  from inventory.stock_level l
  join inventory.product p on p.tenant_id = l.tenant_id and p.id = l.product_id
  join inventory.location o on o.tenant_id = l.tenant_id and o.id = l.location_id
 where (p.is_active or l.on_hand > 0) and l.tenant_id = any ((select app.tenants())::uuid[]);
comment on view inventory.v_held is 'What each place holds of each product, at landed cost. A null reorder_level is the business''s own.';

grant usage on schema sales to makola_billing;
grant select on sales.v_takings, sales.v_line, sales.v_owed, inventory.v_held to makola_billing;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
drop view inventory.v_held, sales.v_owed, sales.v_line, sales.v_takings;
revoke usage on schema sales from makola_billing;
-- +goose StatementEnd
