-- Owner: pkg/reporting, and pkg/imports. Why: reports of one business take turns, so a report says when it got its own; imports whose time is over are deleted with their faults.
-- Locks: reporting.report for the moment in which a column is added; imports.import and imports.fault while an index is made and the faults are compared with their imports.
-- Long on a big table: no, imports are few; a second or so per million faults.
-- Back: Down; reports do not take turns then, and what was deleted does not come back.
-- +goose Up
-- +goose StatementBegin
alter table reporting.report add column turn_at timestamptz;
comment on column reporting.report.turn_at is 'When it got its turn. It has it while its task runs, if that began before; a task that begins anew waits anew.';
grant update (turn_at) on reporting.report to makola_reports;

-- Old imports go in all businesses, and their faults with them. Whoever asks for younger ones sees and deletes none of them.
create index import_created on imports.import (created_at);
alter table imports.fault drop constraint fault_import_fkey,
  add constraint fault_import_fkey foreign key (tenant_id, import_id) references imports.import (tenant_id, id) on delete cascade;
create policy import_prune on imports.import to makola_inventory using ((select app.is_system()) and created_at < now() - interval '180 days');
grant delete on imports.import to makola_inventory;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
revoke delete on imports.import from makola_inventory;
drop policy import_prune on imports.import;
alter table imports.fault drop constraint fault_import_fkey, add constraint fault_import_fkey foreign key (tenant_id, import_id) references imports.import (tenant_id, id);
drop index imports.import_created;
revoke update (turn_at) on reporting.report from makola_reports;
alter table reporting.report drop column turn_at;
-- +goose StatementEnd
