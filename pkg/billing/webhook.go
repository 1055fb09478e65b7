package billing

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/money"
	"makola/pkg/payments"
)

// Event is one genuine event of a provider, as it came, with the facts that were read from it.
type Event struct {
	// ID is made by the caller, a UUIDv7.
	ID uuid.UUID
	// Provider and DedupeKey identify the fact, together with Reference and Amount: a second event with the same four is a redelivery. One that differs in the last two, under
	// the same key, is another fact, which must not pass for a redelivery.
	Provider, DedupeKey string
	// Type is the provider's word for the kind of event; TypeVerify for an answer to our own question.
	Type, Reference string
	Body            []byte
	// Headers are those worth keeping; never secrets.
	Headers map[string]string
	// Trusted says that the provider vouches for the body: the facts below may be credited.
	Trusted bool
	// Kind says what it is about; the zero value is a charge. Return and CaseID speak of a refund or dispute.
	Kind   payments.Kind
	Status payments.Status
	Return payments.ReturnState
	CaseID string
	Amount money.Amount
	// ReturnedTotal is what was given back of the payment so far, if the event says so.
	ReturnedTotal money.Amount
	TransactionID string
	PaidAt        time.Time
	// Ignored stores the event as finished: it is not about a payment, and no task will look at it.
	Ignored bool
	// Task is the task that will act on it; uuid.Nil when none will.
	Task uuid.UUID
}

// key is what the event is stored under.
func (e *Event) key() string {
	if e.Type == TypeVerify {
		return e.DedupeKey
	}
	sum := sha256.Sum256([]byte(e.Reference + "\x00" + strconv.FormatInt(e.Amount.Minor, 10) + "\x00" + string(e.Amount.Currency)))
	return e.DedupeKey + "#" + hex.EncodeToString(sum[:8])
}

// TypeVerify is the type of an event that holds a provider's answer to our own question.
const TypeVerify = "verify"

// RecordEvents stores events with one statement and returns the ids of those that are new; the others were stored before, or stand twice in
// the slice; that these came again is noted. Only new events may be given a task. Rows are inserted in the order of their keys, so that two transactions which store the same
// events wait for each other instead of deadlocking. tx needs no tenant.
func RecordEvents(tx *gorm.DB, events []Event) (map[uuid.UUID]bool, error) {
	if len(events) == 0 {
		return map[uuid.UUID]bool{}, nil
	}
	events = slices.Clone(events)
	for i := range events {
		e := &events[i]
		for _, text := range []*string{&e.DedupeKey, &e.Type, &e.Reference, &e.TransactionID, &e.CaseID} {
			*text = storable(*text)
		}
		if e.DedupeKey = e.key(); !e.Ignored {
			e.Kind = cmp.Or(e.Kind, payments.KindCharge)
		}
	}
	slices.SortStableFunc(events, func(a, b Event) int {
		return cmp.Or(cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.DedupeKey, b.DedupeKey))
	})
	headers := make([]string, len(events))
	paidAt := make([]*time.Time, len(events))
	amounts, totals := make([]*int64, len(events)), make([]*int64, len(events))
	for i, e := range events {
		headers[i] = "{}"
		if len(e.Headers) > 0 {
			raw, err := json.Marshal(e.Headers)
			if err != nil {
				return nil, fmt.Errorf("record events: encode headers: %w", err)
			}
			headers[i] = string(raw)
		}
		if !e.PaidAt.IsZero() {
			paidAt[i] = &events[i].PaidAt
		}
		if e.Amount.Currency != "" {
			amounts[i] = &events[i].Amount.Minor
		}
		if e.ReturnedTotal.Currency != "" {
			totals[i], events[i].Amount.Currency = &events[i].ReturnedTotal.Minor, e.ReturnedTotal.Currency // one event is in one currency
		}
	}
	stored := make(map[uuid.UUID]bool, len(events))
	err := query(tx, "record events", `
		insert into billing.webhook_event (id, provider, dedupe_key, event_type, reference, body, headers, trusted, status, amount_minor, currency,
		                                   provider_txn_id, paid_at, state, finished_at, kind, return_state, case_id, task_id, returned_total)
		select id, provider, dedupe_key, event_type, reference, body, headers::jsonb, trusted, status, amount_minor, currency,
		       provider_txn_id, paid_at, case when ignored then 'ignored' else 'received' end, case when ignored then now() end,
		       kind, return_state, case_id, nullif(task_id, '00000000-0000-0000-0000-000000000000'), returned_total
		  from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[], $7::text[], $8::boolean[], $9::text[], $10::bigint[],
		              $11::text[], $12::text[], $13::timestamptz[], $14::boolean[], $15::text[], $16::text[], $17::text[], $18::uuid[], $19::bigint[])
		       as e (id, provider, dedupe_key, event_type, reference, body, headers, trusted, status, amount_minor, currency, provider_txn_id, paid_at, ignored,
		             kind, return_state, case_id, task_id, returned_total)
		    on conflict (provider, dedupe_key) do nothing
		returning id`,
		func(rows pgx.Rows) error {
			var id uuid.UUID
			err := rows.Scan(&id)
			stored[id] = true
			return err
		},
		column(events, func(e Event) uuid.UUID { return e.ID }),
		column(events, func(e Event) string { return e.Provider }),
		column(events, func(e Event) string { return e.DedupeKey }),
		column(events, func(e Event) string { return e.Type }),
		column(events, func(e Event) string { return e.Reference }),
		column(events, func(e Event) []byte { return e.Body }),
		headers,
		column(events, func(e Event) bool { return e.Trusted }),
		column(events, func(e Event) string { return string(e.Status) }),
		amounts,
		column(events, func(e Event) string { return string(e.Amount.Currency) }),
		column(events, func(e Event) string { return e.TransactionID }),
		paidAt,
		column(events, func(e Event) bool { return e.Ignored }),
		column(events, func(e Event) string { return string(e.Kind) }),
		column(events, func(e Event) string { return string(e.Return) }),
		column(events, func(e Event) string { return e.CaseID }),
		column(events, func(e Event) uuid.UUID { return e.Task }),
		totals)
	if err != nil {
		return nil, err
	}
	return stored, recordDuplicates(tx, slices.DeleteFunc(events, func(e Event) bool { return stored[e.ID] || e.Type == TypeVerify }))
}

// recordDuplicates notes that events came again.
func recordDuplicates(tx *gorm.DB, events []Event) error {
	if len(events) == 0 {
		return nil
	}
	_, err := exec(tx, "record duplicates", `
		insert into billing.webhook_duplicate (id, provider, dedupe_key, body_sha256) select * from unnest($1::uuid[], $2::text[], $3::text[], $4::bytea[])`,
		column(events, func(e Event) uuid.UUID { return e.ID }),
		column(events, func(e Event) string { return e.Provider }),
		column(events, func(e Event) string { return e.DedupeKey }),
		column(events, func(e Event) []byte { sum := sha256.Sum256(e.Body); return sum[:] }))
	return err
}

// storable replaces what a text column cannot hold. A provider never sends it; if one did, the event must still be stored.
func storable(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// StoredEvent is an event as evidence.
type StoredEvent struct {
	Evidence
	// Trusted is false for a hint, which must be asked about first.
	Trusted bool
	// State is what became of it: received, processed, ignored, review or unmatched.
	State string
}

// Events reads stored events by id, with one query. An id that does not exist is not in the map. Facts come from the stored event, never from the message
// that names it, so nobody who can write to the broker can make up a payment. Any transaction of billing-worker.
func Events(tx *gorm.DB, ids []uuid.UUID) (map[uuid.UUID]StoredEvent, error) {
	found := make(map[uuid.UUID]StoredEvent, len(ids))
	if len(ids) == 0 {
		return found, nil
	}
	err := query(tx, "read events", `
		select id, provider, reference, trusted, status, coalesce(amount_minor, 0), currency, provider_txn_id, paid_at, event_type = '`+TypeVerify+`',
		       kind, return_state, case_id, state, coalesce(returned_total, 0)
		  from billing.webhook_event where id = any ($1::uuid[])`,
		func(rows pgx.Rows) error {
			var e StoredEvent
			var paidAt *time.Time
			var currency string
			if err := rows.Scan(&e.Event, &e.Provider, &e.Reference, &e.Trusted, &e.Status, &e.Amount.Minor, &currency, &e.TransactionID, &paidAt, &e.Asked,
				&e.Kind, &e.Return, &e.CaseID, &e.State, &e.ReturnedTotal.Minor); err != nil {
				return err
			}
			if e.Amount.Currency = money.Currency(currency); e.ReturnedTotal.Positive() {
				e.ReturnedTotal.Currency = e.Amount.Currency
			}
			if paidAt != nil {
				e.PaidAt = paidAt.UTC()
			}
			found[e.Event] = e
			return nil
		}, ids)
	return found, err
}

// SetAside closes events that are not acted on themselves, because the provider is asked instead: the answer is an event of its own.
func SetAside(tx *gorm.DB, ids []uuid.UUID) error {
	return closeEvents(tx, column(ids, func(id uuid.UUID) eventState {
		return eventState{id: id, state: "ignored", note: "the provider is asked instead"}
	}))
}
