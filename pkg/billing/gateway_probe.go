package billing

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"
)

const (
	// probeAgainAfter is how long after a look at a provider another may be taken, so that two runs at once are one: less than the five minutes between two runs, or every second
	// run would come a moment too early.
	probeAgainAfter = 4 * time.Minute
	// keepProbes is how long what probes found is kept: a month of every five minutes is 8,640 rows for each provider. keepOutages is for those who compare with last year.
	keepProbes  = 30 * 24 * time.Hour
	keepOutages = 400 * 24 * time.Hour
	// pruneProbes is how many old rows one run deletes at most; a run makes as many as there are providers.
	pruneProbes = 1000
)

// ProbeResult is what came of a look at a payment provider.
type ProbeResult string

// The results. Only ProbeUnavailable counts against the provider.
const (
	ProbeOK          ProbeResult = "ok"
	ProbeRefused     ProbeResult = "refused"     // It answered, and not as it should: our key is not accepted, or the answer cannot be read.
	ProbeUnavailable ProbeResult = "unavailable" // No answer.
	ProbeLeftAlone   ProbeResult = "left_alone"  // Not asked: it was a moment ago, or has just gone down. Not kept.
)

// Probe is one look at a payment provider.
type Probe struct {
	Provider string
	Result   ProbeResult
	// Latency is how long the answer took; zero without one.
	Latency time.Duration
	// Error says what was wrong; empty when nothing was.
	Error string
}

// BeginProbe reports whether a provider may be asked how it is: not within minutes of the last time. One that is down may be asked ProbeAfter after it went down; its breaker is
// half open then, and of any number of tasks one may ask, again if it was killed. Any platform transaction of billing-worker.
func BeginProbe(tx *gorm.DB, provider string, task uuid.UUID) (bool, error) {
	recent := false
	err := query(tx, "look for a recent probe", `select exists (select from billing.gateway_probe where provider = $1 and at > now() - $2::bigint * interval '1 second')`,
		func(rows pgx.Rows) error { return rows.Scan(&recent) }, provider, int64(probeAgainAfter.Seconds()))
	if err != nil || recent {
		return false, err
	}
	n, err := exec(tx, "probe provider", `
		update billing.gateway_health set state = 'HALF_OPEN', probed_at = now(), probe_task = $4, updated_at = now()
		 where provider = $1 and state <> 'CLOSED' and opened_at <= now() - $2::bigint * interval '1 second'
		   and (probed_at is null or probed_at <= now() - $3::bigint * interval '1 second' or state = 'HALF_OPEN' and probe_task = $4)`,
		provider, int64(ProbeAfter.Seconds()), int64(probeAgainAfter.Seconds()), task)
	if err != nil || n == 1 {
		return n == 1, err
	}
	down := false
	err = query(tx, "read health of provider", `select state <> 'CLOSED' from billing.gateway_health where provider = $1`,
		func(rows pgx.Rows) error { return rows.Scan(&down) }, provider)
	return !down, err
}

// Standing is how a provider's breaker stands.
type Standing struct {
	Provider string
	State    string
	Failures int
}

// RecordProbes keeps what came of the probes, those that were made, deletes what is older than a month, and returns how the breakers stand, in the order of the probes. The calls themselves were
// observed as every call is; should that have failed, a breaker that was half open is moved here. Any platform transaction of billing-worker.
func RecordProbes(tx *gorm.DB, probes []Probe) ([]Standing, error) {
	ids := make([]uuid.UUID, len(probes))
	for i := range ids {
		var err error
		if ids[i], err = uuid.NewV7(); err != nil {
			return nil, fmt.Errorf("record probes: make id: %w", err)
		}
	}
	providers := column(probes, func(p Probe) string { return p.Provider })
	results := column(probes, func(p Probe) string { return string(p.Result) })
	_, err := exec(tx, "settle probes", `
		update billing.gateway_health h
		   set state = case when p.result = 'unavailable' then 'OPEN' else 'CLOSED' end, updated_at = now(),
		       consecutive_failures = case when p.result = 'unavailable' then h.consecutive_failures else 0 end,
		       opened_at = case when p.result = 'unavailable' then h.opened_at end, probed_at = case when p.result = 'unavailable' then h.probed_at end,
		       last_success_at = case when p.result = 'unavailable' then h.last_success_at else now() end
		  from unnest($1::text[], $2::text[]) p (provider, result)
		 where h.provider = p.provider and h.state = 'HALF_OPEN' and p.result <> 'left_alone'`, providers, results)
	if err != nil {
		return nil, err
	}
	standings := make([]Standing, 0, len(probes))
	err = query(tx, "record probes", `
		with p as (select * from unnest($1::text[], $2::text[], $3::uuid[], $4::bigint[], $5::text[]) with ordinality as p (provider, result, id, latency, error, n)),
		kept as (insert into billing.gateway_probe (id, provider, result, latency_ms, error, state)
			select p.id, p.provider, p.result, p.latency, p.error, coalesce(h.state, 'CLOSED') from p left join billing.gateway_health h on h.provider = p.provider where p.result <> 'left_alone')
		select p.provider, coalesce(h.state, 'CLOSED'), coalesce(h.consecutive_failures, 0) from p left join billing.gateway_health h on h.provider = p.provider order by p.n`,
		func(rows pgx.Rows) error {
			var s Standing
			err := rows.Scan(&s.Provider, &s.State, &s.Failures)
			standings = append(standings, s)
			return err
		}, providers, results, ids, column(probes, func(p Probe) int64 { return p.Latency.Milliseconds() }), column(probes, func(p Probe) string {
			text := storable(p.Error)
			return storable(text[:min(len(text), maxHealthError)])
		}))
	if err != nil {
		return nil, err
	}
	_, err = exec(tx, "delete old probes", `delete from billing.gateway_probe where id in
		(select id from billing.gateway_probe where at < now() - $1::bigint * interval '1 second' order by at limit $2)`, int64(keepProbes.Seconds()), pruneProbes)
	if err != nil {
		return nil, err
	}
	_, err = exec(tx, "delete old outages", `delete from billing.gateway_outage where closed_at < now() - $1::bigint * interval '1 second'`, int64(keepOutages.Seconds()))
	return standings, err
}

// Outage is a time in which a provider was down.
type Outage struct {
	Provider string
	// OpenedAt is when its breaker opened, ClosedAt when it closed; nil while it has not.
	OpenedAt time.Time
	ClosedAt *time.Time
	// Error is what came last instead of an answer when it opened.
	Error string
}

// TakeOutages returns the outages of which there is something to tell, the oldest first, and marks it told: that one has begun, or that it is over. One that is over before
// anybody was told of it is returned once, as over. Of two transactions at once one gets it. Any platform transaction of billing-worker.
func TakeOutages(tx *gorm.DB) ([]Outage, error) {
	var news []Outage
	err := query(tx, "take outages", `
		with due as (select provider, opened_at from billing.gateway_outage where told_down_at is null or closed_at is not null and told_up_at is null order by provider, opened_at for update),
		told as (update billing.gateway_outage o set told_down_at = coalesce(o.told_down_at, now()), told_up_at = case when o.closed_at is not null then now() end
			  from due where o.provider = due.provider and o.opened_at = due.opened_at returning o.provider, o.opened_at, o.closed_at, o.error)
		select provider, opened_at, closed_at, error from told order by opened_at, provider`,
		func(rows pgx.Rows) error {
			var o Outage
			err := rows.Scan(&o.Provider, &o.OpenedAt, &o.ClosedAt, &o.Error)
			news = append(news, o)
			return err
		})
	return news, err
}
