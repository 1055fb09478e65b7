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
grant select on accounts.v_recipient to makola_inventory;
grant select (id, tenant_id, key), insert on notifications.email to makola_inventory;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
revoke all on notifications.email from makola_inventory;
drop view accounts.v_recipient;
-- +goose StatementEnd
