-- Owner: pkg/imports. Why: files that businesses upload to bring many rows at once, and what was wrong with them.
-- Locks: none, the tables are new (accounts.business and inventory.location are read). Long on a big table: no.
-- Back: Down (loses the list of imports and their faults; what was imported stays).
-- +goose Up
-- +goose StatementBegin
create schema imports;

create table imports.import (
  id          uuid        not null,
  tenant_id   uuid        not null,
  kind        text        not null,
  on_error    text        not null,
  on_existing text        not null,
  location_id uuid,
  dry_run     boolean     not null,
  file_name   text        not null,
  file_key    text        not null,
  file_size   bigint      not null,
  file_sha256 text        not null,
  task_id     uuid        not null,
  created_by  uuid        not null,
  actor       text        not null,
  created_at  timestamptz not null default now(),
  status      text        not null default 'PENDING',
  format      text        not null default '',
  ignored     text[]      not null default '{}',
  rows        bigint      not null default 0,
  created     bigint      not null default 0,
  updated     bigint      not null default 0,
  skipped     bigint      not null default 0,
  faults      bigint      not null default 0,
  finished_at timestamptz,
  constraint import_pkey primary key (id),
  constraint import_tenant_key unique (tenant_id, id),
  constraint import_kind_check check (kind in ('PRODUCTS','CUSTOMERS','OPENING_STOCK') and (kind = 'OPENING_STOCK') = (location_id is not null)),
  constraint import_choice_check check (on_error in ('ABORT','SKIP') and on_existing in ('FAULT','UPDATE')),
  constraint import_status_check check (status in ('PENDING','COMPLETED','REJECTED','CHECKED') and (status = 'PENDING') = (finished_at is null)),
  constraint import_text_check check (length(file_name) <= 200 and length(file_sha256) = 64 and length(format) <= 200),
  constraint import_count_check check (file_size > 0 and rows >= 0 and created >= 0 and updated >= 0 and skipped >= 0 and faults >= 0),
  constraint import_business_fkey foreign key (tenant_id) references accounts.business (id),
  constraint import_location_fkey foreign key (tenant_id, location_id) references inventory.location (tenant_id, id)
);
create index import_tenant on imports.import (tenant_id, id);
create index import_pending on imports.import (tenant_id, file_sha256) where status = 'PENDING';
comment on table imports.import is 'A file that was uploaded to bring rows, and what became of it. While PENDING its task says how far it is; a task that failed or was cancelled leaves it so.';
comment on column imports.import.status is 'COMPLETED: written. REJECTED: nothing was written, because of faults. CHECKED: a dry run without a fault.';
comment on column imports.import.faults is 'How many were found; the first 1,000 are in imports.fault.';
comment on column imports.import.ignored is 'Titles of columns that the import does not know.';

create table imports.fault (
  tenant_id uuid not null,
  import_id uuid not null,
  n         int  not null,
  line      int  not null,
  "column"  text not null,
  value     text not null,
  reason    text not null,
  constraint fault_pkey primary key (import_id, n),
  constraint fault_text_check check (length("column") <= 200 and length(value) <= 100 and length(reason) <= 500),
  constraint fault_import_fkey foreign key (tenant_id, import_id) references imports.import (tenant_id, id)
);
comment on table imports.fault is 'What is wrong in a file, in the order of its lines. Line 0 is the file as a whole.';

alter table imports.import enable row level security;
alter table imports.import force row level security;
create policy import_tenant on imports.import
  using (tenant_id = any ((select app.tenants())::uuid[])) with check (tenant_id = any ((select app.tenants())::uuid[]));
alter table imports.fault enable row level security;
alter table imports.fault force row level security;
create policy fault_tenant on imports.fault
  using (tenant_id = any ((select app.tenants())::uuid[])) with check (tenant_id = any ((select app.tenants())::uuid[]));

grant usage on schema imports to makola_gateway, makola_inventory;
grant select, insert on imports.import to makola_gateway;
grant select on imports.fault to makola_gateway;
grant select, update (status, format, ignored, rows, created, updated, skipped, faults, finished_at) on imports.import to makola_inventory;
grant insert on imports.fault to makola_inventory;
-- +goose StatementEnd

-- +goose Down
drop schema imports cascade;
