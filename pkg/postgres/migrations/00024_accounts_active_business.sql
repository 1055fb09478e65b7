-- Owner: pkg/accounts. Why: a sweep needs the list of businesses to split itself into one task each, and such a task needs to know whether its business still takes part.
-- Locks: ACCESS EXCLUSIVE on accounts.business for an instant (a policy is added). Long on a big table: no. Back: Down.
-- +goose Up
-- +goose StatementBegin
-- The views run with their owner's rights, so that the workers need no grant on the table, and see these columns of these rows and nothing else of it.
create policy business_active on accounts.business for select to makola_owner
  using ((select app.is_system()) and is_active);

create view accounts.v_active_business with (security_barrier = true) as
  select id, timezone, currency from accounts.business where is_active and (select app.is_system());
comment on view accounts.v_active_business is 'The businesses that sweeps work for. Empty outside platform transactions.';

create view accounts.v_business with (security_barrier = true) as
  select id, is_active, timezone, currency from accounts.business where id = any ((select app.tenants())::uuid[]);
comment on view accounts.v_business is 'The businesses this transaction is bound to.';

grant usage on schema accounts to makola_inventory, makola_reports;
grant select on accounts.v_active_business, accounts.v_business to makola_billing, makola_inventory, makola_reports, makola_notifier;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
drop view accounts.v_active_business;
drop view accounts.v_business;
drop policy business_active on accounts.business;
revoke usage on schema accounts from makola_inventory, makola_reports;
-- +goose StatementEnd
