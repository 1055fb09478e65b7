package webhooks

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/audit"
	webhookspb "makola/proto/makola/webhooks/v1"
)

// Cause is why something is delivered.
type Cause string

// The causes.
const (
	CauseEvent  Cause = "EVENT"  // it happened
	CauseTest   Cause = "TEST"   // somebody pressed the test button; it is tried once
	CauseReplay Cause = "REPLAY" // somebody wants it sent once more
)

// DeliveryState is where a delivery stands.
type DeliveryState string

// The states of a delivery.
const (
	Pending   DeliveryState = "PENDING"
	Delivered DeliveryState = "DELIVERED"
	Failed    DeliveryState = "FAILED"
	Cancelled DeliveryState = "CANCELLED" // its endpoint was disabled or taken away meanwhile
)

// Delivery is one event on its way to one endpoint.
type Delivery struct {
	ID, Event, Endpoint uuid.UUID
	Kind                Kind
	State               DeliveryState
	Cause               Cause
	Attempts            int
	// LastStatus is the HTTP status of the last answer; nil when there was none.
	LastStatus *int
	// NextAttemptAt is when it is tried again; nil when it has ended, at EndedAt.
	NextAttemptAt, EndedAt *time.Time
	CreatedAt              time.Time
	// Log has one entry for each attempt, the first one first; and Body is what is sent. DeliveryByID alone reads the two.
	Log  []Entry
	Body string
}

// Entry is what came of one attempt.
type Entry struct {
	At time.Time `json:"at"`
	// MS is how long it took, in milliseconds.
	MS int64 `json:"ms"`
	// Status is the HTTP status of the answer; 0 when there was none, and then Error says why.
	Status int    `json:"status,omitempty"`
	Error  string `json:"error,omitempty"`
	// Answer is the beginning of what was answered, without what looks secret.
	Answer string `json:"answer,omitempty"`
}

// Filter selects from the log. Zero fields select everything.
type Filter struct {
	// Before is the place in the list: only deliveries older than the one with this id. Limit is the most to return.
	Before   uuid.UUID
	Limit    int
	Endpoint uuid.UUID
	State    DeliveryState
	Kind     Kind
}

const deliveryColumns = `d.id, d.event_id, d.endpoint_id, d.kind, d.state, d.cause, d.attempts, d.last_status,
	case when d.state = 'PENDING' then greatest(d.next_attempt_at, e.retry_at) end, d.ended_at, d.created_at`

func (d *Delivery) columns() []any {
	return []any{&d.ID, &d.Event, &d.Endpoint, &d.Kind, &d.State, &d.Cause, &d.Attempts, &d.LastStatus, &d.NextAttemptAt, &d.EndedAt, &d.CreatedAt}
}

// Deliveries pages through the log of the business that tx is bound to, the newest first.
func Deliveries(tx *gorm.DB, f Filter) ([]Delivery, error) {
	business, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("list deliveries: %w", err)
	}
	list := []Delivery{}
	where, args := ` where d.tenant_id = $1`, []any{business}
	and := func(piece string, arg any) {
		args = append(args, arg)
		where += fmt.Sprintf(piece, len(args))
	}
	if f.Before != uuid.Nil {
		and(` and d.id < $%d`, f.Before)
	}
	if f.Endpoint != uuid.Nil {
		and(` and d.endpoint_id = $%d`, f.Endpoint)
	}
	if f.State != "" {
		and(` and d.state = $%d`, string(f.State))
	}
	if f.Kind != "" {
		and(` and d.kind = $%d`, string(f.Kind))
	}
	and(` order by d.id desc limit $%d`, f.Limit)
	err = query(tx, "list deliveries", `select `+deliveryColumns+` from webhooks.delivery d join webhooks.endpoint e on e.tenant_id = d.tenant_id and e.id = d.endpoint_id`+where, func(rows pgx.Rows) error {
		var d Delivery
		err := rows.Scan(d.columns()...)
		list = append(list, d)
		return err
	}, args...)
	return list, err
}

// DeliveryByID returns one delivery with its log and what is sent. Errors: ErrDeliveryNotFound.
func DeliveryByID(tx *gorm.DB, id uuid.UUID) (d *Delivery, err error) {
	err = query(tx, "read delivery", `
		select `+deliveryColumns+`, d.log, v.body
		  from webhooks.delivery d
		  join webhooks.endpoint e on e.tenant_id = d.tenant_id and e.id = d.endpoint_id
		  join webhooks.event v on v.tenant_id = d.tenant_id and v.id = d.event_id where d.id = $1`, func(rows pgx.Rows) error {
		d = &Delivery{}
		var log []byte
		if err := rows.Scan(append(d.columns(), &log, &d.Body)...); err != nil {
			return err
		}
		return json.Unmarshal(log, &d.Log)
	}, id)
	if err == nil && d == nil {
		err = ErrDeliveryNotFound
	}
	return d, err
}

// MostAsked is how many tests and replays a business may ask for in a minute: nobody has us knock at a stranger's door again and again.
const MostAsked = 30

// mayAsk refuses one test or replay more than MostAsked within a minute. Two that ask at once may both be the last.
func mayAsk(tx *gorm.DB, business uuid.UUID) error {
	var since uuid.UUID // below every id of the last minute: they begin with their time
	binary.BigEndian.PutUint64(since[:8], uint64(time.Now().Add(-time.Minute).UnixMilli())<<16)
	asked := 0
	err := query(tx, "count tests and replays", `select count(*) from webhooks.delivery where tenant_id = $1 and id > $2 and cause <> 'EVENT'`, func(rows pgx.Rows) error {
		return rows.Scan(&asked)
	}, business, since)
	if err == nil && asked >= MostAsked {
		err = ErrTooOften
	}
	return err
}

// stalledAfter is how long a delivery may be overdue before somebody may have it sent anew: its task was cancelled, or nobody runs it.
const stalledAfter = time.Hour

// Replay delivers an event once more to the endpoint it went to, under the same webhook-id, with a log of its own. One that is still being tried is not replayed, and one that has stalled is given up
// for it. Errors: ErrDeliveryNotFound, ErrTooOften, ErrStillPending, ErrNotFound, ErrDisabled.
func Replay(ctx context.Context, tx *gorm.DB, tasks *webhookspb.Tasks, who audit.Entry, id uuid.UUID) (*Delivery, error) {
	business, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("replay delivery: %w", err)
	}
	old, err := DeliveryByID(tx, id)
	if err != nil {
		return nil, err
	}
	kept, err := exec(tx, "look how old an event is", `select from webhooks.event where tenant_id = $1 and id = $2 and created_at > clock_timestamp() - $3::interval`, business, old.Event, Keep)
	switch {
	case err != nil:
		return nil, err
	case kept == 0:
		return nil, ErrDeliveryNotFound
	}
	if err := mayAsk(tx, business); err != nil {
		return nil, err
	}
	if old.State == Pending {
		n, err := exec(tx, "give up a stalled delivery", `
			update webhooks.delivery d set state = 'CANCELLED', ended_at = clock_timestamp(), next_attempt_at = null
			  from webhooks.endpoint e
			 where e.tenant_id = d.tenant_id and e.id = d.endpoint_id and d.tenant_id = $1 and d.id = $2 and d.state = 'PENDING' and greatest(d.next_attempt_at, e.retry_at) < clock_timestamp() - $3::interval`,
			business, id, stalledAfter)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			return nil, ErrStillPending
		}
	}
	to, err := one(tx, old.Endpoint, forUpdate) // so that nobody disables it meanwhile and gives up all but this
	switch {
	case err != nil:
		return nil, err
	case to.State != Active && old.Kind != KindTest:
		return nil, ErrDisabled
	}
	cause := CauseReplay
	if old.Kind == KindTest {
		cause = CauseTest
	}
	var d drafts
	if err := d.delivery(business, old.Event, old.Endpoint, old.Kind, cause); err != nil {
		return nil, err
	}
	if err := d.store(ctx, tx, tasks, nil); err != nil {
		return nil, err
	}
	if err := record(tx, who, business, "webhook_delivery.replayed", old.Endpoint, map[string]any{"delivery_id": id, "replay_id": d.ids[0]}); err != nil {
		return nil, err
	}
	return DeliveryByID(tx, d.ids[0])
}

// SendTest sends an event webhook.test to one endpoint, also to one that is disabled. It is tried once, and changes nothing about the endpoint. Errors: ErrNotFound, ErrTooOften.
func SendTest(ctx context.Context, tx *gorm.DB, tasks *webhookspb.Tasks, endpoint uuid.UUID, now time.Time) (*Delivery, error) {
	business, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("send test: %w", err)
	}
	if _, err := one(tx, endpoint, forUpdate); err != nil {
		return nil, err
	}
	if err := mayAsk(tx, business); err != nil {
		return nil, err
	}
	var d drafts
	if err := d.event(Event{Tenant: business, At: now, Data: Test{EndpointID: endpoint}}, []uuid.UUID{endpoint}, CauseTest); err != nil {
		return nil, err
	}
	if err := d.store(ctx, tx, tasks, nil); err != nil {
		return nil, err
	}
	return DeliveryByID(tx, d.ids[0])
}
