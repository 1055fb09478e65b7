-- +goose NO TRANSACTION
-- Owner: pkg/task. Why: the staff of a business see the tasks that they asked for, which are few among those of the business.
-- Locks: none that makes anybody wait; the index is built concurrently, and waits for older transactions. Long on a big table: a second per million rows.
-- Back: Down; such lists read all tasks of the business.
-- +goose Up
drop index concurrently if exists task.task_creator; -- what a run before this one may have left half made
create index concurrently task_creator on task.task (created_by, id) where created_by is not null;

-- +goose Down
drop index concurrently task.task_creator;
