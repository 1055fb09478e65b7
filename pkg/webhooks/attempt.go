package webhooks

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/task"
	webhookspb "makola/proto/makola/webhooks/v1"
)

// Attempt is one attempt at a delivery, about to be made.
type Attempt struct {
	// Delivery and Endpoint are which and where to; Number counts from 1.
	Delivery, Endpoint uuid.UUID
	Number             int

	business, event uuid.UUID
	cause           Cause
	age             time.Duration
	url, body       string
	secrets         []string // the first is the newest
}

// Outcome is what came of an attempt, or of one that need not be made.
type Outcome string

// The outcomes.
const (
	OutcomeDelivered  Outcome = "delivered"
	OutcomeRetrying   Outcome = "retrying"
	OutcomeFailed     Outcome = "failed"
	OutcomeCancelled  Outcome = "cancelled"
	OutcomeSuperseded Outcome = "superseded"
)

// Beginning is what Begin found.
type Beginning struct {
	// Attempt is the attempt to make; nil when there is none to make now.
	*Attempt
	// Over says why there is none to make, ever. Wait says how long the endpoint is left alone.
	Over Outcome
	Wait time.Duration
}

// Begin reads what an attempt needs, in the business that tx is bound to. An endpoint that kept failing is left alone for a while (pauseFor), and then one attempt is let through,
// which is noted. Errors: ErrDeliveryNotFound, ErrSecret.
func Begin(tx *gorm.DB, keys *Keys, id uuid.UUID, number int) (b Beginning, err error) {
	business, err := owner(tx)
	if err != nil {
		return b, fmt.Errorf("begin attempt: %w", err)
	}
	a := &Attempt{Delivery: id, Number: number, business: business}
	var found bool
	var state DeliveryState
	var attempts, failures int
	var ageMS, waitMS int64
	var endpoint string
	var secret, previous []byte
	err = query(tx, "read delivery", `
		select d.event_id, d.endpoint_id, d.state, d.cause, d.attempts, v.body, e.url, e.state, e.secret, case when e.previous_until > clock_timestamp() then e.previous_secret end, e.failures,
		       (extract(epoch from clock_timestamp() - d.created_at) * 1000)::bigint, coalesce(ceil(extract(epoch from e.retry_at - clock_timestamp()) * 1000), 0)::bigint
		  from webhooks.delivery d
		  join webhooks.event v on v.tenant_id = d.tenant_id and v.id = d.event_id
		  join webhooks.endpoint e on e.tenant_id = d.tenant_id and e.id = d.endpoint_id
		 where d.tenant_id = $1 and d.id = $2`, func(rows pgx.Rows) error {
		found = true
		return rows.Scan(&a.event, &a.Endpoint, &state, &a.cause, &attempts, &a.body, &a.url, &endpoint, &secret, &previous, &failures, &ageMS, &waitMS)
	}, business, id)
	a.age = time.Duration(ageMS) * time.Millisecond
	switch {
	case err != nil:
		return b, err
	case !found:
		return b, ErrDeliveryNotFound
	case state == Cancelled:
		return Beginning{Over: OutcomeCancelled}, nil
	case state != Pending || attempts >= number:
		return Beginning{Over: OutcomeSuperseded}, nil
	}
	if a.cause != CauseTest && failures >= pauseAfter {
		if waitMS > 0 {
			return Beginning{Wait: time.Duration(waitMS) * time.Millisecond}, nil
		}
		n, err := exec(tx, "try an endpoint that was left alone", `
			update webhooks.endpoint set retry_at = clock_timestamp() + $3::interval where tenant_id = $1 and id = $2 and state = 'ACTIVE' and (retry_at is null or retry_at <= clock_timestamp())`,
			business, a.Endpoint, trying)
		if err != nil {
			return b, err
		}
		if n == 0 {
			return Beginning{Wait: trying}, nil // another one is faster
		}
	}
	for _, raw := range [][]byte{secret, previous} {
		if raw == nil {
			continue
		}
		text, err := keys.open(business, a.Endpoint, raw)
		if err != nil {
			return b, fmt.Errorf("open secret of endpoint %s: %w", a.Endpoint, err)
		}
		a.secrets = append(a.secrets, text)
	}
	return Beginning{Attempt: a}, nil
}

// Conclusion is what followed from an attempt.
type Conclusion struct {
	Outcome Outcome
	// Disabled is set when the endpoint was disabled by it, so that somebody must be told.
	Disabled *Endpoint
}

// Conclude writes down what came of the attempt, and enqueues the next one if there is to be one. An attempt that somebody else has concluded meanwhile changes nothing.
func (a *Attempt) Conclude(ctx context.Context, tx *gorm.DB, tasks *webhookspb.Tasks, answer Answer, now time.Time) (c Conclusion, err error) {
	entry, err := json.Marshal(Entry{At: now.UTC().Truncate(time.Millisecond), MS: answer.Took.Milliseconds(), Status: answer.Status, Error: answer.Error, Answer: answer.Text})
	if err != nil {
		return c, fmt.Errorf("encode attempt: %w", err)
	}
	if a.cause != CauseTest { // the endpoint first: whoever disables it takes it and then its deliveries
		if _, err := exec(tx, "lock endpoint", `select from webhooks.endpoint where tenant_id = $1 and id = $2 for no key update`, a.business, a.Endpoint); err != nil {
			return c, err
		}
	}
	state, wait := Delivered, time.Duration(0)
	c.Outcome = OutcomeDelivered
	if !answer.ok() {
		again := false
		if a.cause != CauseTest && answer.Status != http.StatusGone {
			wait, again = nextWait(a.Number, a.age+answer.Took, answer.RetryAfter)
		}
		state, c.Outcome = Failed, OutcomeFailed
		if again {
			state, c.Outcome = Pending, OutcomeRetrying
		}
	}
	n, err := exec(tx, "record attempt", `
		update webhooks.delivery set attempts = $3, state = $4, last_status = nullif($5, 0), log = log || $6::jsonb, ended_at = case when $4 <> 'PENDING' then clock_timestamp() end,
		       next_attempt_at = case when $4 = 'PENDING' then clock_timestamp() + $7::interval end
		 where tenant_id = $1 and id = $2 and state = 'PENDING' and attempts < $3`, a.business, a.Delivery, a.Number, string(state), answer.Status, string(entry), wait)
	switch {
	case err != nil:
		return c, err
	case n == 0:
		return Conclusion{Outcome: OutcomeSuperseded}, nil
	}
	if a.cause != CauseTest {
		if c.Disabled, err = a.noteEndpoint(tx, answer); err != nil {
			return c, err
		}
	}
	if c.Disabled != nil && c.Outcome == OutcomeRetrying {
		c.Outcome = OutcomeCancelled // with all that was on its way there
	}
	if c.Outcome == OutcomeRetrying {
		_, err = tasks.DeliverEvent(ctx, tx, &webhookspb.DeliverEventArgs{DeliveryId: a.Delivery.String(), Attempt: int32(a.Number + 1)}, task.Delay(wait))
	}
	return c, err
}

// noteEndpoint notes with the endpoint how the attempt went, and disables one that has failed for too long, or says that it is gone. It returns the endpoint if it has.
func (a *Attempt) noteEndpoint(tx *gorm.DB, answer Answer) (*Endpoint, error) {
	if answer.ok() {
		_, err := exec(tx, "note success of endpoint", `
			update webhooks.endpoint set failures = 0, failing_since = null, retry_at = null where tenant_id = $1 and id = $2 and failures > 0`, a.business, a.Endpoint)
		return nil, err
	}
	var failures int
	var tooLong, active bool
	err := query(tx, "note failure of endpoint", `
		update webhooks.endpoint set failures = failures + 1, failing_since = coalesce(failing_since, clock_timestamp()) where tenant_id = $1 and id = $2
		returning failures, failing_since <= clock_timestamp() - $3::interval, state = 'ACTIVE'`, func(rows pgx.Rows) error {
		return rows.Scan(&failures, &tooLong, &active)
	}, a.business, a.Endpoint, disableAfter)
	if err != nil || !active {
		return nil, err
	}
	if gone := answer.Status == http.StatusGone; gone || tooLong {
		reason := Failing
		if gone {
			reason = Gone
		}
		if _, err := exec(tx, "disable endpoint", `
			update webhooks.endpoint set state = 'DISABLED', reason = $3, disabled_at = clock_timestamp(), retry_at = null where tenant_id = $1 and id = $2`, a.business, a.Endpoint, string(reason)); err != nil {
			return nil, err
		}
		if err := giveUp(tx, a.business, a.Endpoint); err != nil {
			return nil, err
		}
		return Get(tx, a.Endpoint)
	}
	if wait := pauseFor(failures); wait > 0 {
		_, err = exec(tx, "leave endpoint alone", `update webhooks.endpoint set retry_at = clock_timestamp() + $3::interval where tenant_id = $1 and id = $2`, a.business, a.Endpoint, wait)
	}
	return nil, err
}
