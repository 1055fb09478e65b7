-- Owner: pkg/billing. Why: how each payment provider fares, known to every process, so that no shop is sent to a provider that is down.
-- Locks: none, the table is new. Long on a big table: no, it has one row for each provider. Back: Down (forgets what is known; it is learned again).
-- +goose Up
-- +goose StatementBegin
create table billing.gateway_health (
  provider             text        not null,
  state                text        not null default 'CLOSED',
  consecutive_failures int         not null default 0,
  opened_at            timestamptz,
  probed_at            timestamptz,
  last_success_at      timestamptz,
  last_error           text,
  updated_at           timestamptz not null default now(),
  constraint gateway_health_pkey primary key (provider),
  constraint gateway_health_state_check check (state in ('CLOSED','OPEN','HALF_OPEN')),
  constraint gateway_health_opened_check check ((state = 'CLOSED') = (opened_at is null)),
  constraint gateway_health_failures_check check (consecutive_failures >= 0)
) with (fillfactor = 50);
comment on table billing.gateway_health is 'A circuit breaker for each payment provider, shared by all processes: CLOSED lets checkouts through, OPEN refuses them, HALF_OPEN waits for what one of them finds.';
comment on column billing.gateway_health.opened_at is 'Since when the provider is down; a probe that failed does not change it. probed_at is when the last checkout was let through since.';

grant select, insert, update on billing.gateway_health to makola_gateway, makola_billing;
grant select on billing.gateway_health to makola_operator;
-- +goose StatementEnd

-- +goose Down
drop table billing.gateway_health;
