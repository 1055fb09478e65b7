-- Owner: pkg/accounts. Why: how people join a business, which storefronts they see there, and how they prove that an address is theirs.
-- Locks: ACCESS EXCLUSIVE on accounts.business for an instant (columns with a constant default). Long on a big table: no. Back: Down.
-- +goose Up
-- +goose StatementBegin
alter table accounts.business add column address text not null default '', add column website text not null default '';

create table accounts.storefront_assignment (
  tenant_id     uuid        not null,
  user_id       uuid        not null,
  storefront_id uuid        not null,
  created_at    timestamptz not null default now(),
  constraint storefront_assignment_pkey primary key (tenant_id, user_id, storefront_id),
  constraint storefront_assignment_member_fkey foreign key (tenant_id, user_id) references accounts.membership (tenant_id, user_id)
);
comment on table accounts.storefront_assignment is 'Which storefronts a MANAGER or STAFF member sees. OWNER and ADMIN see all and have no rows.';
alter table accounts.storefront_assignment enable row level security;
alter table accounts.storefront_assignment force row level security;
create policy storefront_assignment_tenant on accounts.storefront_assignment
  using (tenant_id = any ((select app.tenants())::uuid[]))
  with check (tenant_id = any ((select app.tenants())::uuid[]));

create table accounts.invitation (
  id             uuid        not null,
  tenant_id      uuid        not null,
  email          text        not null,
  role           text        not null,
  access_role    text,
  storefront_ids uuid[]      not null default '{}',
  status         text        not null default 'PENDING',
  token_hash     bytea,
  sends          integer     not null default 1,
  mailed         integer     not null default 0,
  invited_by     uuid        not null,
  sent_at        timestamptz not null default now(),
  expires_at     timestamptz not null,
  accepted_by    uuid,
  ended_at       timestamptz,
  created_at     timestamptz not null default now(),
  constraint invitation_pkey primary key (id),
  constraint invitation_token_hash_key unique (token_hash),
  constraint invitation_role_check check (role in ('ADMIN','MANAGER','STAFF')),
  constraint invitation_status_check check (status in ('PENDING','ACCEPTED','EXPIRED','REVOKED')),
  constraint invitation_business_fkey foreign key (tenant_id) references accounts.business (id),
  constraint invitation_inviter_fkey foreign key (invited_by) references accounts.user (id),
  constraint invitation_access_role_fkey foreign key (access_role) references accounts.role (name)
);
create unique index invitation_pending_key on accounts.invitation (tenant_id, lower(email)) where status = 'PENDING';
create index invitation_tenant on accounts.invitation (tenant_id, id);
create index invitation_expires on accounts.invitation (expires_at) where status = 'PENDING';
comment on column accounts.invitation.token_hash is 'SHA-256 of the newest token, which notifier makes when it words the mail; an older mail''s token stops working then.';
comment on column accounts.invitation.sends is 'How many mails were asked for; mailed is the number of the newest one that was queued.';
alter table accounts.invitation enable row level security;
alter table accounts.invitation force row level security;
create policy invitation_tenant on accounts.invitation
  using (tenant_id = any ((select app.tenants())::uuid[]))
  with check (tenant_id = any ((select app.tenants())::uuid[]));
-- Whoever holds a token belongs to no tenant yet.
create policy invitation_by_token on accounts.invitation for select to makola_gateway
  using ((select app.is_system()));
-- The daily sweep ends the invitations of all businesses.
create policy invitation_expire on accounts.invitation to makola_notifier
  using ((select app.is_system()))
  with check ((select app.is_system()));

create table accounts.email_verification_token (
  id          uuid        not null,
  user_id     uuid        not null,
  token_hash  bytea       not null,
  created_at  timestamptz not null default now(),
  expires_at  timestamptz not null,
  consumed_at timestamptz,
  constraint email_verification_token_pkey primary key (id),
  constraint email_verification_token_hash_key unique (token_hash),
  constraint email_verification_token_user_fkey foreign key (user_id) references accounts.user (id)
);
create index email_verification_token_user on accounts.email_verification_token (user_id);

create table accounts.password_reset_token (
  id          uuid        not null,
  user_id     uuid        not null,
  token_hash  bytea       not null,
  created_at  timestamptz not null default now(),
  expires_at  timestamptz not null,
  consumed_at timestamptz,
  constraint password_reset_token_pkey primary key (id),
  constraint password_reset_token_hash_key unique (token_hash),
  constraint password_reset_token_user_fkey foreign key (user_id) references accounts.user (id)
);
create index password_reset_token_user on accounts.password_reset_token (user_id);
comment on table accounts.password_reset_token is 'Single use. The token itself exists in one mail, and in that mail''s row until it has been sent.';

create table accounts.sign_in_failure (
  address_hash bytea       not null,
  failures     integer     not null,
  since        timestamptz not null,
  constraint sign_in_failure_pkey primary key (address_hash)
);
comment on table accounts.sign_in_failure is 'Wrong passwords in a row, per address. Addresses that nobody has share 256 rows, so that strangers cannot make it grow and cannot tell the two kinds apart by time.';

grant select, insert, delete on accounts.storefront_assignment to makola_gateway;
grant select, insert, update on accounts.invitation to makola_gateway;
grant select, update on accounts.email_verification_token, accounts.password_reset_token to makola_gateway;
grant select, insert, update on accounts.sign_in_failure to makola_gateway;
grant select on accounts.invitation to makola_notifier;
grant update (token_hash, mailed, status, ended_at) on accounts.invitation to makola_notifier;
grant select (id, user_id, created_at), insert on accounts.email_verification_token, accounts.password_reset_token to makola_notifier;
-- +goose StatementEnd

-- +goose Down
drop table accounts.sign_in_failure, accounts.password_reset_token, accounts.email_verification_token, accounts.invitation, accounts.storefront_assignment;
alter table accounts.business drop column address, drop column website;
