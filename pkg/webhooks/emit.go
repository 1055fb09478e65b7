package webhooks

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/postgres"
	"makola/pkg/task"
	"makola/pkg/tenant"
	"makola/proto/contract"
	webhookspb "makola/proto/makola/webhooks/v1"
)

// MaxBody is the most bytes of an event: a sale of 200 lines with the longest names is some 300 KiB.
const MaxBody = 512 << 10

// Event is something that happened in a business.
type Event struct {
	Tenant uuid.UUID
	// At is when it happened.
	At   time.Time
	Data Data
	// Cause is the task that it happened in, for a caller that works for many tasks at once.
	Cause contract.Run
}

// message is an event as it is sent.
type message struct {
	ID        uuid.UUID `json:"id"`
	Type      Kind      `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Data      Data      `json:"data"`
}

// encode returns the bytes of an event.
func encode(id uuid.UUID, e Event) (string, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(message{ID: id, Type: e.Data.kind(), Timestamp: e.At.UTC(), Data: e.Data}); err != nil {
		return "", fmt.Errorf("encode event %s: %w", e.Data.kind(), err)
	}
	if b.Len() > MaxBody {
		return "", fmt.Errorf("encode event %s: %d bytes, and %d are allowed", e.Data.kind(), b.Len(), MaxBody)
	}
	return string(bytes.TrimRight(b.Bytes(), "\n")), nil
}

// Listening returns which of the businesses have an endpoint that wants to be told of the kind, for callers to whom it costs something to say what happened. tx must be bound
// to all of them.
func Listening(tx *gorm.DB, kind Kind, tenants []uuid.UUID) (map[uuid.UUID]bool, error) {
	who := map[uuid.UUID]bool{}
	if len(tenants) == 0 {
		return who, nil
	}
	err := query(tx, "look who listens", `select tenant_id from webhooks.v_listener where tenant_id = any ($1::uuid[]) and $2 = any (kinds)`, func(rows pgx.Rows) error {
		var id uuid.UUID
		err := rows.Scan(&id)
		who[id] = true
		return err
	}, tenants, string(kind))
	return who, err
}

// Emit stores what happened for the endpoints that want to be told, and enqueues the first attempt at each of them, in the transaction in which it happened, to whose businesses
// tx must be bound. One statement when nobody wants to be told, and two otherwise, however many events; without events none.
//
// Errors: an event beyond MaxBody; postgres.ErrNoTransaction; whatever the database says.
func Emit(ctx context.Context, tx *gorm.DB, tasks *webhookspb.Tasks, events []Event) error {
	if len(events) == 0 {
		return nil
	}
	if err := postgres.RequireTx(tx); err != nil {
		return fmt.Errorf("emit events: %w", err)
	}
	listeners, err := listenersOf(tx, events)
	if err != nil || len(listeners) == 0 {
		return err
	}
	var d drafts
	var causes []contract.Run
	for _, e := range events {
		var wanted []uuid.UUID
		for _, l := range listeners[e.Tenant] {
			if slices.Contains(l.kinds, string(e.Data.kind())) {
				wanted = append(wanted, l.endpoint)
			}
		}
		if len(wanted) == 0 {
			continue
		}
		if err := d.event(e, wanted, CauseEvent); err != nil {
			return err
		}
		for range wanted {
			causes = append(causes, e.Cause)
		}
	}
	return d.store(ctx, tx, tasks, causes)
}

// listener is one endpoint and the kinds that it wants.
type listener struct {
	endpoint uuid.UUID
	kinds    []string
}

func listenersOf(tx *gorm.DB, events []Event) (map[uuid.UUID][]listener, error) {
	var tenants []uuid.UUID
	var kinds []string
	seen := map[any]bool{}
	for _, e := range events {
		if !seen[e.Tenant] {
			seen[e.Tenant] = true
			tenants = append(tenants, e.Tenant)
		}
		if kind := e.Data.kind(); !seen[kind] {
			seen[kind] = true
			kinds = append(kinds, string(kind))
		}
	}
	found := map[uuid.UUID][]listener{}
	err := query(tx, "look who listens", `select tenant_id, endpoint_id, kinds from webhooks.v_listener where tenant_id = any ($1::uuid[]) and kinds && $2::text[] order by endpoint_id`,
		func(rows pgx.Rows) error {
			var tenant uuid.UUID
			var l listener
			err := rows.Scan(&tenant, &l.endpoint, &l.kinds)
			found[tenant] = append(found[tenant], l)
			return err
		}, tenants, kinds)
	return found, err
}

// drafts are events and their deliveries about to be stored, column by column.
type drafts struct {
	events, tenants []uuid.UUID
	kinds, bodies   []string

	ids, of, owners, endpoints []uuid.UUID
	about, causes              []string
}

// event adds an event and its deliveries to the endpoints.
func (d *drafts) event(e Event, endpoints []uuid.UUID, cause Cause) error {
	id, err := newID("event")
	if err != nil {
		return err
	}
	body, err := encode(id, e)
	if err != nil {
		return err
	}
	kind := e.Data.kind()
	d.events, d.tenants, d.kinds, d.bodies = append(d.events, id), append(d.tenants, e.Tenant), append(d.kinds, string(kind)), append(d.bodies, body)
	for _, endpoint := range endpoints {
		if err := d.delivery(e.Tenant, id, endpoint, kind, cause); err != nil {
			return err
		}
	}
	return nil
}

// delivery adds one delivery of an event.
func (d *drafts) delivery(tenant, event, endpoint uuid.UUID, kind Kind, cause Cause) error {
	id, err := newID("delivery")
	if err != nil {
		return err
	}
	d.ids, d.of, d.owners, d.endpoints = append(d.ids, id), append(d.of, event), append(d.owners, tenant), append(d.endpoints, endpoint)
	d.about, d.causes = append(d.about, string(kind)), append(d.causes, string(cause))
	return nil
}

// store writes all of it with one statement, and enqueues a first attempt for each delivery; causes, when not nil, are the tasks that they follow from.
func (d *drafts) store(ctx context.Context, tx *gorm.DB, tasks *webhookspb.Tasks, causes []contract.Run) error {
	if len(d.ids) == 0 {
		return nil
	}
	_, err := exec(tx, "store events", `
		with e as (
		  insert into webhooks.event (tenant_id, id, kind, body)
		  select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[]))
		insert into webhooks.delivery (tenant_id, id, event_id, endpoint_id, kind, cause)
		select * from unnest($5::uuid[], $6::uuid[], $7::uuid[], $8::uuid[], $9::text[], $10::text[])`,
		d.tenants, d.events, d.kinds, d.bodies, d.owners, d.ids, d.of, d.endpoints, d.about, d.causes)
	if err != nil {
		return err
	}
	for i, id := range d.ids {
		var opts []contract.Option
		if causes != nil && causes[i].ID != uuid.Nil {
			opts = append(opts, task.CausedBy(causes[i]))
		}
		if _, err := tasks.DeliverEvent(tenant.With(ctx, d.owners[i]), tx, &webhookspb.DeliverEventArgs{DeliveryId: id.String(), Attempt: 1}, opts...); err != nil {
			return fmt.Errorf("enqueue delivery %s: %w", id, err)
		}
	}
	return nil
}
