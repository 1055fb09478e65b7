-- Owner: pkg/accounts. Why: people, businesses (the tenants), who belongs where, and refresh tokens.
-- Locks: none, the tables are new. Long on a big table: no. Back: Down.
-- +goose Up
-- +goose StatementBegin
create schema accounts;

create table accounts.user (
  id             uuid        not null,
  email          text        not null,
  name           text        not null,
  password_hash  text        not null,
  account_type   text        not null default 'OWNER',
  platform_role  text        not null default 'NONE',
  email_verified boolean     not null default false,
  is_active      boolean     not null default true,
  language       text        not null default 'en',
  last_login_at  timestamptz,
  anonymized_at  timestamptz,
  created_at     timestamptz not null default now(),
  updated_at     timestamptz not null default now(),
  constraint user_pkey primary key (id),
  constraint user_account_type_check check (account_type in ('OWNER','EMPLOYEE')),
  constraint user_platform_role_check check (platform_role in ('NONE','SUPER_ADMIN','SAAS_ADMIN','SAAS_STAFF'))
);
create unique index user_email_key on accounts.user (lower(email));
comment on table accounts.user is 'People who sign in. Not a tenant table: a person exists before, and may outlive, a business.';

create table accounts.business (
  id                  uuid        not null,
  owner_id            uuid        not null,
  name                text        not null,
  tin                 text,
  email               text        not null,
  phone_numbers       text[]      not null default '{}',
  currency            char(3)     not null default 'GHS',
  timezone            text        not null default 'Africa/Accra',
  is_active           boolean     not null default true,
  subscription_status text        not null default 'TRIAL',
  created_at          timestamptz not null default now(),
  updated_at          timestamptz not null default now(),
  constraint business_pkey primary key (id),
  constraint business_tin_key unique (tin),
  constraint business_owner_fkey foreign key (owner_id) references accounts.user (id)
);
create unique index business_name_key on accounts.business (lower(name));
create index business_owner on accounts.business (owner_id);
comment on table accounts.business is 'A tenant. Its id is the tenant_id of every other tenant table.';
alter table accounts.business enable row level security;
alter table accounts.business force row level security;
create policy business_tenant on accounts.business
  using (id = any ((select app.tenants())::uuid[]))
  with check (id = any ((select app.tenants())::uuid[]));

create table accounts.membership (
  tenant_id  uuid        not null,
  user_id    uuid        not null,
  role       text        not null,
  is_active  boolean     not null default true,
  created_at timestamptz not null default now(),
  constraint membership_pkey primary key (tenant_id, user_id),
  constraint membership_user_key unique (user_id),
  constraint membership_role_check check (role in ('OWNER','ADMIN','MANAGER','STAFF')),
  constraint membership_business_fkey foreign key (tenant_id) references accounts.business (id),
  constraint membership_user_fkey foreign key (user_id) references accounts.user (id)
);
alter table accounts.membership enable row level security;
alter table accounts.membership force row level security;
create policy membership_tenant on accounts.membership
  using (tenant_id = any ((select app.tenants())::uuid[]))
  with check (tenant_id = any ((select app.tenants())::uuid[]));
-- Signing in must find a person's business before any tenant is known.
create policy membership_sign_in on accounts.membership for select to makola_gateway
  using ((select app.is_system()));
-- A publisher that knows no tenant (a Celery client) may ask for a welcome mail; the mail belongs to the user's business.
create policy membership_welcome on accounts.membership for select to makola_notifier
  using ((select app.is_system()));

create table accounts.refresh_token (
  id          uuid        not null,
  family_id   uuid        not null,
  user_id     uuid        not null,
  token_hash  bytea       not null,
  issued_at   timestamptz not null default now(),
  expires_at  timestamptz not null,
  rotated_at  timestamptz,
  retried_at  timestamptz,
  revoked_at  timestamptz,
  ip          text        not null default '',
  user_agent  text        not null default '',
  constraint refresh_token_pkey primary key (id),
  constraint refresh_token_hash_key unique (token_hash),
  constraint refresh_token_user_fkey foreign key (user_id) references accounts.user (id)
);
create index refresh_token_family on accounts.refresh_token (family_id) where revoked_at is null;
create index refresh_token_user on accounts.refresh_token (user_id);
comment on table accounts.refresh_token is 'Opaque refresh tokens, stored as SHA-256. Reuse of a rotated one revokes its family.';
comment on column accounts.refresh_token.retried_at is 'When a rotated token was used once more, within the grace for a lost answer. There is no second grace.';

grant usage on schema accounts to makola_gateway, makola_notifier, makola_billing;
grant select, insert, update on accounts.user, accounts.business, accounts.membership, accounts.refresh_token to makola_gateway;
grant select on accounts.user, accounts.business, accounts.membership to makola_notifier;
grant select (id, email, name, is_active, language) on accounts.user to makola_billing;
grant select (id, owner_id, name, email, timezone, currency, is_active) on accounts.business to makola_billing;
-- +goose StatementEnd

-- +goose Down
drop schema accounts cascade;
