-- Owner: services/cron. Why: housekeeping deletes invitations that came to nothing, and finds them, old idempotency keys and quiet rate buckets by index instead of reading the tables.
-- Locks: accounts.invitation, gateway.idempotent_request and gateway.rate_bucket take no writes while they are indexed.
-- Long on a big table: no. Invitations are few, and of the other two a day and ten minutes are kept; a second or so per million rows.
-- Back: Down; invitations that were deleted do not come back, and the audit log tells of them.
-- +goose Up
-- +goose StatementBegin
create index invitation_ended on accounts.invitation (ended_at) where status in ('EXPIRED','REVOKED');
create index idempotent_request_created on gateway.idempotent_request (created_at);
create index rate_bucket_at on gateway.rate_bucket (at);

-- Only what came to nothing: whoever asks for more of it sees and deletes nothing.
create policy invitation_prune on accounts.invitation to makola_cron
  using ((select app.is_system()) and status in ('EXPIRED','REVOKED'));
grant select (id, status, ended_at), delete on accounts.invitation to makola_cron;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
revoke select (id, status, ended_at), delete on accounts.invitation from makola_cron;
drop policy invitation_prune on accounts.invitation;
drop index gateway.rate_bucket_at, gateway.idempotent_request_created, accounts.invitation_ended;
-- +goose StatementEnd
