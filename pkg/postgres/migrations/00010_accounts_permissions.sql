-- Owner: pkg/accounts. Why: who may do what, as data: permissions, roles, and which role has which permission.
-- Locks: ACCESS EXCLUSIVE on accounts.membership for an instant (a nullable column; its foreign key finds no rows to check). Long on a big table: no. Back: Down.
-- +goose Up
-- +goose StatementBegin
create table accounts.permission (
  codename text not null,
  category text not null,
  action   text not null,
  constraint permission_pkey primary key (codename),
  constraint permission_codename_check check (codename ~ '^can_[a-z_]{1,60}$')
);
comment on table accounts.permission is 'One thing that somebody may do. A request needs exactly one: the x-permission of its operation in openapi.yaml.';

create table accounts.role (
  name        text not null,
  title       text not null,
  level       text not null,
  default_for text,
  constraint role_pkey primary key (name),
  constraint role_default_for_key unique (default_for),
  constraint role_level_check check (level in ('PLATFORM','BUSINESS','STOREFRONT'))
);
comment on column accounts.role.default_for is 'The membership role (or, at the platform level, the platform role) whose people have this role unless something else is said of them.';

create table accounts.role_permission (
  role       text not null,
  permission text not null,
  constraint role_permission_pkey primary key (role, permission),
  constraint role_permission_role_fkey foreign key (role) references accounts.role (name),
  constraint role_permission_permission_fkey foreign key (permission) references accounts.permission (codename)
);
comment on table accounts.role_permission is 'The matrix. What is not in it is denied.';

insert into accounts.permission (codename, category, action) values
  ('can_create_sales', 'sales', 'create'), ('can_view_sales', 'sales', 'view'), ('can_approve_sales', 'sales', 'approve'), ('can_delete_sales', 'sales', 'delete'),
  ('can_manage_products', 'inventory', 'manage'), ('can_view_inventory', 'inventory', 'view'), ('can_view_products', 'inventory', 'view'), ('can_update_stock', 'inventory', 'update'),
  ('can_manage_customers', 'customers', 'manage'), ('can_view_customers', 'customers', 'view'),
  ('can_view_reports', 'reports', 'view'), ('can_export_reports', 'reports', 'export'),
  ('can_manage_users', 'users', 'manage'), ('can_invite_users', 'users', 'invite'), ('can_manage_settings', 'settings', 'manage'),
  ('can_view_financial_data', 'finance', 'view'), ('can_manage_payments', 'finance', 'manage'),
  ('can_manage_platform', 'platform', 'manage'), ('can_manage_subscriptions', 'platform', 'manage'),
  ('can_view_platform_stats', 'platform', 'view'), ('can_manage_plans', 'platform', 'manage');

insert into accounts.role (name, title, level, default_for) values
  ('SUPER_USER', 'Platform administrator', 'PLATFORM', 'SUPER_ADMIN'),
  ('OWNER', 'Owner', 'BUSINESS', 'OWNER'), ('ADMIN', 'Admin', 'BUSINESS', 'ADMIN'),
  ('MANAGER', 'Manager', 'STOREFRONT', 'MANAGER'), ('CASHIER', 'Cashier', 'STOREFRONT', 'STAFF'),
  ('WAREHOUSE_STAFF', 'Warehouse staff', 'STOREFRONT', null);

insert into accounts.role_permission (role, permission) select 'SUPER_USER', codename from accounts.permission;
insert into accounts.role_permission (role, permission) select r, codename from accounts.permission, unnest(array['OWNER','ADMIN']) r where category <> 'platform';
insert into accounts.role_permission (role, permission) select 'MANAGER', unnest(array['can_create_sales','can_view_sales','can_approve_sales','can_view_inventory',
  'can_view_products','can_update_stock','can_view_customers','can_view_reports','can_export_reports','can_view_financial_data']);
insert into accounts.role_permission (role, permission) select 'CASHIER', unnest(array['can_create_sales','can_view_sales','can_view_inventory','can_view_products','can_view_customers']);
insert into accounts.role_permission (role, permission) select 'WAREHOUSE_STAFF', unnest(array['can_view_inventory','can_view_products','can_update_stock']);

alter table accounts.membership add column access_role text,
  add constraint membership_access_role_fkey foreign key (access_role) references accounts.role (name),
  add constraint membership_access_role_check check (access_role <> 'SUPER_USER');
comment on column accounts.membership.access_role is 'The role whose permissions the member has; null means the one that is the default for membership.role.';

grant select on accounts.permission, accounts.role, accounts.role_permission to makola_gateway;
-- +goose StatementEnd

-- +goose Down
alter table accounts.membership drop column access_role;
drop table accounts.role_permission, accounts.role, accounts.permission;
