-- Owner: pkg/billing. Why: how each payment provider has fared: what it answered when it was asked, and since when and until when it was down, so that somebody is told of both once.
-- Locks: ACCESS EXCLUSIVE on billing.gateway_health for an instant (a nullable column, triggers). Long on a big table: no, it has one row for each provider.
-- Back: Down (the history is lost; billing.gateway_health itself stays).
-- +goose Up
-- +goose StatementBegin
alter table billing.gateway_health add column probe_task uuid;
comment on column billing.gateway_health.probe_task is 'The task that is asking since probed_at; should it be killed, it goes on. Null while a checkout finds out.';

create table billing.gateway_probe (
  id         uuid        not null,
  provider   text        not null,
  at         timestamptz not null default now(),
  result     text        not null,
  latency_ms bigint      not null default 0,
  error      text        not null default '',
  state      text        not null,
  constraint gateway_probe_pkey primary key (id),
  constraint gateway_probe_result_check check (result in ('ok','refused','unavailable')),
  constraint gateway_probe_state_check check (state in ('CLOSED','OPEN','HALF_OPEN')),
  constraint gateway_probe_latency_check check (latency_ms >= 0)
);
create index gateway_probe_provider on billing.gateway_probe (provider, at desc);
create index gateway_probe_at on billing.gateway_probe (at);
comment on table billing.gateway_probe is 'What came of each time that a payment provider was asked how it is, every five minutes, for 30 days. state is the breaker''s afterwards.';
comment on column billing.gateway_probe.result is 'refused: it answered, and not as it should, for example because our key is not accepted.';

create table billing.gateway_outage (
  provider     text        not null,
  opened_at    timestamptz not null,
  closed_at    timestamptz,
  error        text        not null default '',
  told_down_at timestamptz,
  told_up_at   timestamptz,
  constraint gateway_outage_pkey primary key (provider, opened_at),
  constraint gateway_outage_told_check check (told_up_at is null or closed_at is not null and told_down_at is not null)
);
create index gateway_outage_news on billing.gateway_outage (provider) where told_down_at is null or told_up_at is null;
comment on table billing.gateway_outage is 'Each time that a payment provider''s breaker opened, until it closed. told_… is when those who run Makola were mailed; one that was over before anybody was told of it is told of once.';

-- A trigger, so that what yesterday's binaries see is noted as well. With its owner's rights: whoever moves a breaker needs none on the table.
create function billing.note_outage() returns trigger language plpgsql security definer set search_path = pg_catalog as $f$
begin
  if new.state = 'CLOSED' then
    update billing.gateway_outage set closed_at = now() where provider = new.provider and closed_at is null;
  elsif tg_op = 'INSERT' or old.state = 'CLOSED' then
    insert into billing.gateway_outage (provider, opened_at, error) values (new.provider, new.opened_at, coalesce(new.last_error, '')) on conflict (provider, opened_at) do nothing;
  end if;
  return null;
end $f$;
create trigger gateway_health_changed after update on billing.gateway_health for each row when (old.state is distinct from new.state) execute function billing.note_outage();
create trigger gateway_health_began after insert on billing.gateway_health for each row when (new.state <> 'CLOSED') execute function billing.note_outage();
insert into billing.gateway_outage (provider, opened_at, error) select provider, opened_at, coalesce(last_error, '') from billing.gateway_health where state <> 'CLOSED';

grant select, insert, delete on billing.gateway_probe to makola_billing;
grant select, update (told_down_at, told_up_at), delete on billing.gateway_outage to makola_billing;
grant select on billing.gateway_probe, billing.gateway_outage to makola_gateway, makola_operator;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
drop trigger gateway_health_changed on billing.gateway_health;
drop trigger gateway_health_began on billing.gateway_health;
drop function billing.note_outage();
drop table billing.gateway_outage, billing.gateway_probe;
alter table billing.gateway_health drop column probe_task;
-- +goose StatementEnd
