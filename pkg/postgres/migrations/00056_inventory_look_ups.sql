-- Owner: pkg/inventory. Why: what an import names is found through its index behind row security, and each row that it brings is checked once against the tables that it refers to.
-- Locks: an instant's exclusive ones on inventory.stock_item and stock_level, for the catalogue alone. Long on a big table: no.
-- Back: Down. The constraints are checked at once, as before, unless a transaction asks otherwise.
-- +goose Up
-- +goose StatementBegin
-- lower() is not leakproof, so row security comes before an index on lower(name): see matching_products, whose way this is. ADR 42 says why.
grant usage, create on schema inventory to makola_search;
grant select (name, sku) on inventory.product to makola_search;
grant select (id, tenant_id, name) on inventory.category, inventory.supplier to makola_search;
create policy category_search on inventory.category for select to makola_search using (true);
create policy supplier_search on inventory.supplier for select to makola_search using (true);
create function inventory.products_by_sku(skus text[]) returns table (n bigint, key text, id uuid) language sql stable security definer set search_path = pg_catalog
as $f$ select u.n, lower(u.name), p.id from unnest(skus) with ordinality as u (name, n)
  left join inventory.product p on p.tenant_id = (select (app.tenants())[1]) and lower(p.sku) = lower(u.name) where u.name is not null $f$;
create function inventory.categories_by_name(names text[]) returns table (n bigint, key text, id uuid) language sql stable security definer set search_path = pg_catalog
as $f$ select u.n, lower(u.name), c.id from unnest(names) with ordinality as u (name, n)
  left join inventory.category c on c.tenant_id = (select (app.tenants())[1]) and lower(c.name) = lower(u.name) where u.name is not null $f$;
create function inventory.suppliers_by_name(names text[]) returns table (n bigint, key text, id uuid) language sql stable security definer set search_path = pg_catalog
as $f$ select u.n, lower(u.name), s.id from unnest(names) with ordinality as u (name, n)
  left join inventory.supplier s on s.tenant_id = (select (app.tenants())[1]) and lower(s.name) = lower(u.name) where u.name is not null $f$;
create function inventory.products_after(product uuid, most bigint) returns setof uuid language sql stable security definer set search_path = pg_catalog
as $f$ select p.id from inventory.product p where p.tenant_id = (select (app.tenants())[1])
   and (lower(p.name), p.id) > (select lower(b.name), b.id from inventory.product b where b.tenant_id = (select (app.tenants())[1]) and b.id = product) order by lower(p.name), p.id limit most $f$;
comment on function inventory.products_by_sku is 'The n-th of these texts, as the database compares it, and the product of the tenant that is bound (the first one) whose SKU it is in whatever case; null for none.';
comment on function inventory.categories_by_name is 'As products_by_sku, of categories by their names.';
comment on function inventory.suppliers_by_name is 'As products_by_sku, of suppliers by their names.';
comment on function inventory.products_after is 'Ids of the products of the tenant that is bound (the first one) that follow this one by name, so many at most.';
alter function inventory.products_by_sku(text[]) owner to makola_search;
alter function inventory.categories_by_name(text[]) owner to makola_search;
alter function inventory.suppliers_by_name(text[]) owner to makola_search;
alter function inventory.products_after(uuid, bigint) owner to makola_search;
revoke create on schema inventory from makola_search;
revoke all on function inventory.products_by_sku(text[]), inventory.categories_by_name(text[]), inventory.suppliers_by_name(text[]), inventory.products_after(uuid, bigint) from public;
grant execute on function inventory.products_by_sku(text[]), inventory.categories_by_name(text[]), inventory.suppliers_by_name(text[]) to makola_inventory;
grant execute on function inventory.products_after(uuid, bigint) to makola_gateway;

-- PostgreSQL checks a row's references again when a transaction changes a row that it has inserted itself, as the ledger's trigger does with what a delivery brings. Put off to
-- the end of the transaction, a row is checked once, as it is then.
alter table inventory.stock_item alter constraint stock_item_batch_fkey deferrable;
alter table inventory.stock_item alter constraint stock_item_location_fkey deferrable;
alter table inventory.stock_item alter constraint stock_item_product_fkey deferrable;
alter table inventory.stock_item alter constraint stock_item_supplier_fkey deferrable;
alter table inventory.stock_level alter constraint stock_level_location_fkey deferrable;
alter table inventory.stock_level alter constraint stock_level_product_fkey deferrable;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
alter table inventory.stock_level alter constraint stock_level_product_fkey not deferrable;
alter table inventory.stock_level alter constraint stock_level_location_fkey not deferrable;
alter table inventory.stock_item alter constraint stock_item_supplier_fkey not deferrable;
alter table inventory.stock_item alter constraint stock_item_product_fkey not deferrable;
alter table inventory.stock_item alter constraint stock_item_location_fkey not deferrable;
alter table inventory.stock_item alter constraint stock_item_batch_fkey not deferrable;
drop function inventory.products_after(uuid, bigint);
drop function inventory.suppliers_by_name(text[]);
drop function inventory.categories_by_name(text[]);
drop function inventory.products_by_sku(text[]);
drop policy supplier_search on inventory.supplier;
drop policy category_search on inventory.category;
revoke select on inventory.category, inventory.supplier from makola_search;
revoke select (id, tenant_id, name) on inventory.category, inventory.supplier from makola_search;
revoke select (name, sku) on inventory.product from makola_search;
-- +goose StatementEnd
