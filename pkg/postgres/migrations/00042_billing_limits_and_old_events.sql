-- Owner: pkg/billing. Why: what a business has is held against what its subscription covers, and what providers sent is forgotten in time.
-- Locks: ACCESS EXCLUSIVE on billing.webhook_event and billing.pricing_tier for an instant (columns without default, a check that is not verified against old rows, a trigger).
-- Long on a big table: no. Back: Down (bodies that were emptied do not come back).
-- +goose Up
-- +goose StatementBegin
alter table billing.pricing_tier
  add column max_members  int,
  add column max_products int,
  add constraint pricing_tier_limits_check check (max_members > 0 and max_products > 0);
comment on column billing.pricing_tier.max_members is 'How many active members a business of this tier may have before it is told; null: as many as it likes. max_products likewise.';

-- It runs with its owner's rights: whoever is granted it sees how much the businesses have that the transaction is bound to, and nothing of what it is.
create view inventory.v_usage with (security_barrier = true) as
select t.tenant_id,
       (select count(*) from inventory.location l where l.tenant_id = t.tenant_id and l.kind = 'STOREFRONT' and l.is_active) as storefronts,
       (select count(*) from inventory.product p where p.tenant_id = t.tenant_id and p.is_active) as products
  from unnest(app.tenants()) as t (tenant_id);
comment on view inventory.v_usage is 'How many active storefronts and products the businesses have that this transaction is bound to.';
grant usage on schema inventory to makola_billing;
grant select on inventory.v_usage to makola_gateway, makola_billing;

alter table billing.webhook_event
  add column emptied_at  timestamptz,
  add column body_sha256 bytea,
  add constraint webhook_event_emptied_check check ((emptied_at is null) = (body_sha256 is null) and (emptied_at is null or state <> 'received' and length(body) = 0 and headers = '{}')) not valid;
comment on column billing.webhook_event.emptied_at is 'When the body and headers were forgotten, 90 days after the event was finished. The key stays for a year, so that what comes again is known, and the hash of the body says whether it is the same.';

-- History is not deleted, but for events whose year is over.
create function billing.check_old_event() returns trigger language plpgsql as $$
begin
  if old.emptied_at is null or old.received_at > now() - interval '1 year' then
    raise exception 'webhook event % is kept', old.id using errcode = 'check_violation', constraint = 'webhook_event_kept';
  end if;
  return old;
end $$;
create trigger webhook_event_kept before delete on billing.webhook_event for each row execute function billing.check_old_event();
-- Nobody may write a body. Who says that an event is to be emptied has this done to it.
create function billing.empty_event() returns trigger language plpgsql as $$
begin
  if old.emptied_at is not null or new.emptied_at is null then
    raise exception 'webhook event % is emptied once', old.id using errcode = 'check_violation', constraint = 'webhook_event_kept';
  end if;
  new.body_sha256 := sha256(old.body);
  new.body := '';
  new.headers := '{}';
  return new;
end $$;
create trigger webhook_event_empty before update of emptied_at on billing.webhook_event for each row execute function billing.empty_event();
grant update (emptied_at), delete on billing.webhook_event to makola_billing;
-- What waits for a person is kept. The view runs with its owner's rights: the sweep sees that somebody waits, and nothing of the reviews; those are decided about one business at a time.
create policy payment_review_waiting on billing.payment_review for select to makola_owner using ((select app.is_system()));
create view billing.v_waiting_event with (security_barrier = true) as
select event_id from billing.payment_review where (select app.is_system()) and resolved_at is null and event_id is not null;
comment on view billing.v_waiting_event is 'The events that open reviews are about, of all businesses. Empty outside platform transactions.';
grant select on billing.v_waiting_event to makola_billing;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
drop view billing.v_waiting_event;
drop policy payment_review_waiting on billing.payment_review;
revoke update (emptied_at), delete on billing.webhook_event from makola_billing;
drop trigger webhook_event_empty on billing.webhook_event;
drop function billing.empty_event();
drop trigger webhook_event_kept on billing.webhook_event;
drop function billing.check_old_event();
alter table billing.webhook_event drop column body_sha256, drop column emptied_at;
revoke select on inventory.v_usage from makola_gateway, makola_billing;
revoke usage on schema inventory from makola_billing;
drop view inventory.v_usage;
alter table billing.pricing_tier drop column max_products, drop column max_members;
-- +goose StatementEnd
