-- Owner: pkg/reporting. Why: a role that reads what reports are made of and nothing else, so that reports may be read from a copy of the database, and by nobody who can write.
-- Locks: none. Long on a big table: no. Before it: deploy/postgres/roles.sql, which makes the role makola_reader.
-- Back: Down; without READ_DATABASE_URL reports are read by makola_reports, as before.
-- +goose Up
-- +goose StatementBegin
grant usage on schema accounts, inventory, sales to makola_reader;
grant select on accounts.v_letterhead, accounts.v_person, accounts.v_settings, accounts.business_settings to makola_reader;
grant select (id, currency, timezone) on accounts.business to makola_reader;
grant select (tenant_id, is_active) on accounts.membership to makola_reader;
grant select on inventory.product, inventory.category, inventory.location, inventory.stock_item, inventory.stock_level to makola_reader;
grant select on sales.sale, sales.sale_item, sales.customer, sales.payment, sales.refund, sales.refund_item, sales.receivable, sales.reservation, sales.v_reserved to makola_reader;
grant usage on schema audit to makola_reader;
grant select on audit.v_entry to makola_reader;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
revoke all on all tables in schema accounts, inventory, sales from makola_reader;
revoke all (id, currency, timezone) on accounts.business from makola_reader;
revoke all (tenant_id, is_active) on accounts.membership from makola_reader;
revoke all on audit.v_entry from makola_reader;
revoke usage on schema accounts, inventory, sales, audit from makola_reader;
-- +goose StatementEnd
