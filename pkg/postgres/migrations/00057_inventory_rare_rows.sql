-- +goose NO TRANSACTION
-- Owner: pkg/inventory. Why: what is rare among much is found without a walk through all of it: movements that are no sales, and stock that is low.
-- Locks: none that keep anybody from writing: the indexes are made beside the work. Long on a big table: a second for some 300,000 rows, and as long as the oldest transaction lasts;
-- one that fails on the way is made anew by the next attempt.
-- Back: Down.
-- +goose Up
drop index concurrently if exists inventory.movement_kind;
-- Sales are most of the ledger: who looks for them walks, and they do not pay for it.
create index concurrently movement_kind on inventory.movement (tenant_id, kind, at, id) where kind <> 'SALE';
drop index concurrently if exists inventory.stock_level_quantity;
create index concurrently stock_level_quantity on inventory.stock_level (tenant_id, location_id, on_hand);
drop index concurrently if exists inventory.stock_level_reorder;
create index concurrently stock_level_reorder on inventory.stock_level (tenant_id, reorder_level) where reorder_level is not null;
drop index concurrently if exists inventory.product_reorder;
create index concurrently product_reorder on inventory.product (tenant_id, reorder_level) where reorder_level is not null;

-- +goose Down
drop index concurrently inventory.product_reorder;
drop index concurrently inventory.stock_level_reorder;
drop index concurrently inventory.stock_level_quantity;
drop index concurrently inventory.movement_kind;
