-- Owner: plumbing. Why: the two facts every row-security policy asks for, and the schemas' owner rights. Locks: none. Long on a big table: no. Back: Down.
-- +goose Up
-- +goose StatementBegin
create schema app;
comment on schema app is 'What a transaction is bound to: the tenants whose rows it may touch, and whether it is a platform transaction.';

create function app.tenants() returns uuid[] language sql stable parallel safe
as $$ select coalesce(nullif(current_setting('app.tenants', true), ''), '{}')::uuid[] $$;
comment on function app.tenants() is 'Tenants bound to this transaction by postgres.InTenant or postgres.BindTenants; empty when none is bound.';

create function app.is_system() returns boolean language sql stable parallel safe
as $$ select coalesce(current_setting('app.scope', true), '') = 'system' $$;
comment on function app.is_system() is 'True in transactions begun by postgres.InSystem. Only policies that name this function open to them.';

grant usage on schema app to public;
-- +goose StatementEnd

-- +goose Down
drop schema app cascade;
