package billing

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/payments"
	"makola/pkg/postgres"
)

const (
	// OpenAfter is how many calls in a row, of all processes together, must fail until a provider counts as down.
	OpenAfter = 5
	// ProbeAfter is how long a provider that is down is left alone; then one checkout is let through, to see.
	ProbeAfter = 300 * time.Second

	// successEvery spaces what one process writes about successes while nothing changes.
	successEvery = 5 * time.Second
	// observeTime bounds one write; the call that is observed waits for it.
	observeTime = 2 * time.Second
	// probeAnswers is when somebody who is refused during a probe may come back: a provider has answered by then, or failed.
	probeAnswers = 10 * time.Second
	// maxHealthError bounds what is kept of an error.
	maxHealthError = 200
)

// GatewayDownError reports that a provider is known to be down, so that no checkout should be opened with it.
type GatewayDownError struct {
	Provider   string
	RetryAfter time.Duration // At least a second.
}

// Error implements error.
func (e *GatewayDownError) Error() string {
	return fmt.Sprintf("payment provider %s is down, try again in %s", e.Provider, e.RetryAfter)
}

// GatewayHealth keeps billing.gateway_health up to date with what this process sees of the providers. Make one per process; it is safe for
// concurrent use. It is the observer of the providers' clients.
type GatewayHealth struct {
	// DB is opened with a role that may write the table: makola_gateway or makola_billing.
	DB *postgres.DB

	mu   sync.Mutex
	seen map[string]lastSeen
}

// lastSeen is what this process knows of a provider without asking the database.
type lastSeen struct {
	succeeding bool // The last call succeeded, and the row says so.
	writtenAt  time.Time
}

// Observe is a payments.Observer. Failures are written one by one; of successes that follow successes only one every few seconds, so that a busy process
// adds nothing to a payment. What cannot be written is logged and forgotten: the next call tells the same.
func (h *GatewayHealth) Observe(ctx context.Context, call payments.Call) {
	if !h.worthWriting(call) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), observeTime)
	defer cancel()
	err := h.DB.InSystem(ctx, func(tx *gorm.DB) error {
		if call.Err != nil {
			return recordFailure(ctx, tx, call)
		}
		return recordSuccess(ctx, tx, call.Provider)
	})
	if err != nil {
		h.forget(call.Provider)
		slog.WarnContext(ctx, "health of payment provider not recorded", "provider", call.Provider, "error", err)
	}
}

// worthWriting notes the call and reports whether the row has to learn of it.
func (h *GatewayHealth) worthWriting(call payments.Call) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.seen == nil {
		h.seen = map[string]lastSeen{}
	}
	last := h.seen[call.Provider]
	if call.Err != nil {
		h.seen[call.Provider] = lastSeen{}
		return true
	}
	if last.succeeding && time.Since(last.writtenAt) < successEvery {
		return false
	}
	h.seen[call.Provider] = lastSeen{succeeding: true, writtenAt: time.Now()}
	return true
}

func (h *GatewayHealth) forget(provider string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.seen, provider)
}

// recordFailure counts a call without an answer. The one that makes the number full opens the breaker, and so does a failed probe.
func recordFailure(ctx context.Context, tx *gorm.DB, call payments.Call) error {
	text := storable(call.Err.Error())
	text = text[:min(len(text), maxHealthError)]
	return query(tx, "record failed call", `
		insert into billing.gateway_health as h (provider, consecutive_failures, last_error) values ($1, 1, $2)
		    on conflict (provider) do update
		   set consecutive_failures = h.consecutive_failures + 1, last_error = excluded.last_error, updated_at = now(),
		       state = case when h.state = 'CLOSED' and h.consecutive_failures + 1 < $3 then 'CLOSED' else 'OPEN' end,
		       opened_at = case when h.state = 'CLOSED' and h.consecutive_failures + 1 >= $3 then now() else h.opened_at end
		returning state = 'OPEN' and consecutive_failures = $3`,
		func(rows pgx.Rows) error {
			var opened bool
			err := rows.Scan(&opened)
			if opened {
				slog.ErrorContext(ctx, "payment provider is down", "provider", call.Provider, "error", text)
			}
			return err
		}, call.Provider, storable(text), OpenAfter)
}

// recordSuccess closes the breaker, whatever it was.
func recordSuccess(ctx context.Context, tx *gorm.DB, provider string) error {
	return query(tx, "record answered call", `
		insert into billing.gateway_health as h (provider, last_success_at) values ($1, now())
		    on conflict (provider) do update
		   set state = 'CLOSED', consecutive_failures = 0, opened_at = null, probed_at = null, last_success_at = now(), updated_at = now()
		returning coalesce((select b.state <> 'CLOSED' from billing.gateway_health b where b.provider = $1), false)`,
		func(rows pgx.Rows) error {
			var recovered bool
			err := rows.Scan(&recovered)
			if recovered {
				slog.InfoContext(ctx, "payment provider has recovered", "provider", provider)
			}
			return err
		}, provider)
}

// AdmitCheckout returns a GatewayDownError while the provider is down. After ProbeAfter it lets one caller through, who opens a checkout and so finds out;
// should that one never tell, another is let through after the same time. Any transaction of the gateway; one look at one row when all is well.
func AdmitCheckout(tx *gorm.DB, provider string) error {
	down := false
	var wait time.Duration
	err := query(tx, "read health of provider", `
		select state = 'HALF_OPEN', ceil(extract(epoch from coalesce(probed_at, opened_at) + $2::bigint * interval '1 second' - now()))::bigint
		  from billing.gateway_health where provider = $1 and state <> 'CLOSED'`,
		func(rows pgx.Rows) error {
			var probing bool
			var seconds int64
			err := rows.Scan(&probing, &seconds)
			down, wait = true, time.Duration(seconds)*time.Second
			if probing {
				wait = min(wait, probeAnswers)
			}
			return err
		}, provider, int64(ProbeAfter.Seconds()))
	if err != nil || !down {
		return err
	}
	if wait <= 0 {
		n, err := exec(tx, "probe provider", `
			update billing.gateway_health set state = 'HALF_OPEN', probed_at = now(), probe_task = null, updated_at = now()
			 where provider = $1 and state <> 'CLOSED' and coalesce(probed_at, opened_at) <= now() - $2::bigint * interval '1 second'`,
			provider, int64(ProbeAfter.Seconds()))
		if err != nil || n == 1 {
			return err
		}
		wait = probeAnswers // Somebody else was faster.
	}
	return &GatewayDownError{Provider: provider, RetryAfter: max(wait, time.Second)}
}
