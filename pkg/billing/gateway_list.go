package billing

import (
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"
)

// mostOutages is how many outages are listed of one provider, the latest.
const mostOutages = 10

// Gateway is how one payment provider fares.
type Gateway struct {
	Provider string
	// State is its breaker's: CLOSED, OPEN or HALF_OPEN. A provider that nobody has called yet is CLOSED.
	State string
	// Failures is how many calls in a row got no answer, LastError what came instead the last time; it may be long ago.
	Failures  int
	LastError string
	// OpenedAt is since when it is down, ProbedAt when it was asked since; LastSuccessAt is when it answered last. All may be nil.
	OpenedAt, ProbedAt, LastSuccessAt *time.Time
	// Last is the latest probe, made at LastAt; nil when there was none.
	Last   *Probe
	LastAt time.Time
	// Probes is how often it was asked within 24 hours, Unanswered how often in vain, and MeanLatency how long its answers took.
	Probes, Unanswered int
	MeanLatency        time.Duration
	// Outages are the latest, the latest first.
	Outages []Outage
}

// Gateways returns how the providers of those names fare, and any other that was ever called, in the order of their names. Any transaction of the gateway, billing-worker or an operator.
func Gateways(tx *gorm.DB, names []string) ([]Gateway, error) {
	list := []Gateway{}
	err := query(tx, "read health of providers", `
		select n.provider, coalesce(h.state, 'CLOSED'), coalesce(h.consecutive_failures, 0), coalesce(h.last_error, ''), h.opened_at, h.probed_at, h.last_success_at,
		       l.result, l.latency_ms, l.error, l.at, d.probes, d.unanswered, coalesce(d.mean, 0)::bigint
		  from (select unnest($1::text[]) as provider union select provider from billing.gateway_health) n
		  left join billing.gateway_health h on h.provider = n.provider
		  left join lateral (select result, latency_ms, error, at from billing.gateway_probe p where p.provider = n.provider order by at desc, id desc limit 1) l on true
		  cross join lateral (select count(*) as probes, count(*) filter (where result = 'unavailable') as unanswered,
		                avg(latency_ms) filter (where result in ('ok','refused')) as mean
		           from billing.gateway_probe p where p.provider = n.provider and p.at > now() - interval '24 hours') d
		 order by n.provider`,
		func(rows pgx.Rows) error {
			var g Gateway
			var result, text *string
			var latency *int64
			var at *time.Time
			var mean int64
			if err := rows.Scan(&g.Provider, &g.State, &g.Failures, &g.LastError, &g.OpenedAt, &g.ProbedAt, &g.LastSuccessAt, &result, &latency, &text, &at, &g.Probes, &g.Unanswered, &mean); err != nil {
				return err
			}
			g.MeanLatency = time.Duration(mean) * time.Millisecond
			if result != nil {
				g.LastAt = *at
				g.Last = &Probe{Provider: g.Provider, Result: ProbeResult(*result), Latency: time.Duration(*latency) * time.Millisecond, Error: *text}
			}
			list = append(list, g)
			return nil
		}, names)
	if err != nil {
		return nil, err
	}
	err = query(tx, "read outages of providers", `
		select o.provider, o.opened_at, o.closed_at, o.error
		  from unnest($1::text[]) n (provider)
		 cross join lateral (select * from billing.gateway_outage o where o.provider = n.provider order by opened_at desc limit $2) o
		 order by o.provider, o.opened_at desc`,
		func(rows pgx.Rows) error {
			var o Outage
			if err := rows.Scan(&o.Provider, &o.OpenedAt, &o.ClosedAt, &o.Error); err != nil {
				return err
			}
			if i := slices.IndexFunc(list, func(g Gateway) bool { return g.Provider == o.Provider }); i >= 0 {
				list[i].Outages = append(list[i].Outages, o)
			}
			return nil
		}, column(list, func(g Gateway) string { return g.Provider }), mostOutages)
	return list, err
}
