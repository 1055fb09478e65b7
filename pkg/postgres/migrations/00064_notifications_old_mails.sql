-- Owner: pkg/notifications. Why: mails are kept for half a year, and with them the addresses they went to; housekeeping deletes older ones.
-- Locks: ACCESS EXCLUSIVE on notifications.email for an instant (a policy). Long on a big table: no; the first turn deletes what is old in batches.
-- Back: Down; mails are kept for ever.
-- +goose Up
create policy email_prune on notifications.email to makola_cron using (app.is_system());
grant delete, select (id, state) on notifications.email to makola_cron;

-- +goose Down
revoke delete, select (id, state) on notifications.email from makola_cron;
drop policy email_prune on notifications.email;
