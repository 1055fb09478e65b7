-- Owner: pkg/notifications. Why: a mail may have a file with it, by the name under which it lies, and say whose business it is from.
-- Locks: ACCESS EXCLUSIVE on notifications.email for an instant; the columns are empty. Long on a big table: no. Back: Down; mails that wait are sent without their files.
-- +goose Up
-- +goose StatementBegin
alter table notifications.email add column attachment jsonb, add column from_name text not null default '', add column reply_to text not null default '',
  add constraint email_attachment_check check (attachment is null or jsonb_typeof(attachment) = 'object') not valid;
comment on column notifications.email.attachment is 'The file that goes with the mail: {"key", "name", "type", "size", "sha256"}. It is read from the file storage when the mail is sent and never copied here.';
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
alter table notifications.email drop column attachment, drop column from_name, drop column reply_to;
-- +goose StatementEnd
