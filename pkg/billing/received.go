package billing

import (
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/money"
	"makola/pkg/problem"
)

// ErrEventNotFound reports an event that is not stored.
var ErrEventNotFound = problem.New(problem.NotFound, "event_not_found", "There is no such event.")

// ReceivedEvent is a stored event as operators see it.
type ReceivedEvent struct {
	ID        uuid.UUID `json:"id"`
	Provider  string    `json:"provider"`
	DedupeKey string    `json:"dedupe_key"`
	Type      string    `json:"type"`
	// Kind is charge, refund, dispute or empty; Return how far a refund or dispute has come, Status the charge's.
	Kind      string `json:"kind"`
	Status    string `json:"status"`
	Return    string `json:"return,omitempty"`
	Reference string `json:"reference"`
	// Amount is with its currency; empty when the event names none.
	Amount        string `json:"amount,omitempty"`
	TransactionID string `json:"transaction_id,omitempty"`
	// Trusted is set when the signature covers the body, so that it is the provider's own word; a genuine event that is not is a hint, and the provider is asked.
	Trusted bool `json:"trusted"`
	// State is received, processed, ignored, review or unmatched, and Note why.
	State string `json:"state"`
	Note  string `json:"note,omitempty"`
	// Duplicates is how often it came again.
	Duplicates int        `json:"duplicates"`
	ReceivedAt time.Time  `json:"received_at"`
	FinishedAt *time.Time `json:"finished_at,omitempty"`
	// Task acts on it; uuid.Nil when none does, or an older build took it in.
	Task uuid.UUID `json:"task"`
}

// EventFilter narrows ReceivedEvents. Zero fields do not filter.
type EventFilter struct {
	Provider, Reference, State string
	// Before is a cursor: only events older than this one.
	Before uuid.UUID
	// Limit is at most MaxPage, and 20 when zero.
	Limit int
}

const selectReceived = `
	select e.id, e.provider, e.dedupe_key, e.event_type, e.kind, e.status, e.return_state, e.reference, coalesce(e.amount_minor, 0), e.currency, e.provider_txn_id, e.trusted, e.state,
	       coalesce(e.error, ''), (select count(*) from billing.webhook_duplicate d where d.provider = e.provider and d.dedupe_key = e.dedupe_key), e.received_at, e.finished_at, e.task_id
	  from billing.webhook_event e `

func scanReceived(rows pgx.Rows, more ...any) (*ReceivedEvent, error) {
	w := &ReceivedEvent{}
	var amount money.Amount
	var currency string
	var task uuid.NullUUID
	err := rows.Scan(append([]any{&w.ID, &w.Provider, &w.DedupeKey, &w.Type, &w.Kind, &w.Status, &w.Return, &w.Reference, &amount.Minor, &currency, &w.TransactionID, &w.Trusted, &w.State,
		&w.Note, &w.Duplicates, &w.ReceivedAt, &w.FinishedAt, &task}, more...)...)
	if amount.Currency = money.Currency(currency); amount.Currency.Known() {
		w.Amount = amount.Display()
	}
	w.Task = task.UUID
	return w, err
}

// ReceivedEvents lists stored events, newest first. tx must be a platform transaction of makola_operator.
func ReceivedEvents(tx *gorm.DB, f EventFilter) (list []ReceivedEvent, err error) {
	if f.Limit <= 0 {
		f.Limit = 20
	}
	if f.Before == uuid.Nil {
		f.Before = uuid.Max
	}
	list = []ReceivedEvent{}
	err = query(tx, "list events", selectReceived+`
		 where e.id < $1 and ($2 = '' or e.provider = $2) and ($3 = '' or e.reference = $3) and ($4 = '' or e.state = $4) order by e.id desc limit $5`,
		func(rows pgx.Rows) error {
			w, err := scanReceived(rows)
			list = append(list, *w)
			return err
		}, f.Before, f.Provider, f.Reference, strings.ToLower(f.State), min(f.Limit, MaxPage))
	return list, err
}

// ReceivedEventByID returns one stored event with its body as it came, or ErrEventNotFound. Show the body through RedactEvent only.
func ReceivedEventByID(tx *gorm.DB, id uuid.UUID) (w *ReceivedEvent, body []byte, err error) {
	err = query(tx, "read event", strings.Replace(selectReceived, "e.task_id", "e.task_id, e.body", 1)+`where e.id = $1`, func(rows pgx.Rows) (err error) {
		w, err = scanReceived(rows, &body)
		return err
	}, id)
	if err == nil && w == nil {
		err = fmt.Errorf("event %s: %w", id, ErrEventNotFound)
	}
	return w, body, err
}

// EventRepetitions returns when the event came again, the first time first.
func EventRepetitions(tx *gorm.DB, id uuid.UUID) (times []time.Time, err error) {
	times = []time.Time{}
	err = query(tx, "read repetitions", `
		select d.received_at from billing.webhook_event e join billing.webhook_duplicate d on d.provider = e.provider and d.dedupe_key = e.dedupe_key
		 where e.id = $1 order by d.received_at limit 1000`,
		func(rows pgx.Rows) error {
			var at time.Time
			err := rows.Scan(&at)
			times = append(times, at)
			return err
		}, id)
	return times, err
}
