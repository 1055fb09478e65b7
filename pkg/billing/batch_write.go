package billing

import (
	"fmt"

	"github.com/google/uuid"
	"gorm.io/gorm"
)

// writePurchases moves every changed purchase to its last state.
func (b *batch) writePurchases(tx *gorm.DB) error {
	var changed []*openPurchase
	for _, p := range b.purchases {
		if p.changed {
			changed = append(changed, p)
		}
	}
	if len(changed) == 0 {
		return nil
	}
	n, err := exec(tx, "update purchases", `
		update billing.credit_purchase p
		   set status = s.status, provider_txn_id = nullif(s.txn, ''), review_reason = nullif(s.reason, ''),
		       amount_received = case when s.currency = '' then p.amount_received else s.received end,
		       currency_received = coalesce(nullif(s.currency, ''), p.currency_received),
		       completed_at = case when s.credited then now() else p.completed_at end,
		       refunded_at = case when s.status = 'refunded' then coalesce(p.refunded_at, now()) end, amount_returned = s.returned, credits_owed = s.owed, updated_at = now()
		  from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::boolean[], $8::bigint[], $9::bigint[])
		       as s (id, status, txn, reason, received, currency, credited, returned, owed)
		 where p.id = s.id`,
		column(changed, func(p *openPurchase) uuid.UUID { return p.id }),
		column(changed, func(p *openPurchase) string { return string(p.status) }),
		column(changed, func(p *openPurchase) string { return p.txn }),
		column(changed, func(p *openPurchase) string { return p.reason }),
		column(changed, func(p *openPurchase) int64 { return p.received.Minor }),
		column(changed, func(p *openPurchase) string { return string(p.received.Currency) }),
		column(changed, func(p *openPurchase) bool { return p.credited }),
		column(changed, func(p *openPurchase) int64 { return p.returned }),
		column(changed, func(p *openPurchase) int64 { return int64(p.owed) }))
	if err != nil {
		return err
	}
	if n != int64(len(changed)) {
		return fmt.Errorf("update purchases: %d of %d changed", n, len(changed))
	}
	return nil
}

// reviewRow is one payment that a person has to look at. tenant and purchase are uuid.Nil when the reference matched nothing.
type reviewRow struct {
	tenant, purchase, event  uuid.UUID
	provider, reference      string
	reason                   string
	expected, received       int64
	expectedCur, receivedCur string
	// credits are those in question, zero for most.
	credits int64
	// payment is the subscription payment in question; purchase is then uuid.Nil.
	payment uuid.UUID
}

// reviews are those that the verdicts ask for.
func (b *batch) reviews() (reviews []reviewRow) {
	for i, v := range b.verdicts {
		if !v.file {
			continue
		}
		e, p := b.evidence[i], b.purchases[b.of[i]]
		r := reviewRow{
			tenant: p.tenant, purchase: p.id, event: e.Event, provider: e.Provider, reference: e.Reference, reason: v.reason,
			expected: p.expected.Minor, expectedCur: string(p.expected.Currency), received: e.Amount.Minor, receivedCur: string(e.Amount.Currency),
		}
		if v.giveBack && bookable(v.back) {
			r.received, r.receivedCur = v.back.Minor, string(v.back.Currency) // what was booked for it
		}
		reviews = append(reviews, r)
		if v.noted > 0 {
			r.reason, r.received, r.receivedCur = ReasonPartial, v.noted, string(p.expected.Currency)
			reviews = append(reviews, r)
		}
	}
	return reviews
}

// insertReviews files reviews; one that was filed before, for the same reason and event, is left as it is.
func insertReviews(tx *gorm.DB, reviews []reviewRow) error {
	if len(reviews) == 0 {
		return nil
	}
	ids := make([]uuid.UUID, len(reviews))
	for i := range ids {
		var err error
		if ids[i], err = uuid.NewV7(); err != nil {
			return fmt.Errorf("make review id: %w", err)
		}
	}
	const none = `'00000000-0000-0000-0000-000000000000'`
	_, err := exec(tx, "file reviews", `
		insert into billing.payment_review (id, tenant_id, purchase_id, event_id, provider, reference, reason,
		                                    expected_minor, expected_currency, received_minor, received_currency, credits, payment_id)
		select id, nullif(tenant_id, `+none+`), nullif(purchase_id, `+none+`), nullif(event_id, `+none+`), provider, reference, reason,
		       case when expected_currency <> '' then expected_minor end, nullif(expected_currency, ''),
		       case when received_currency <> '' then received_minor end, nullif(received_currency, ''), nullif(credits, 0), nullif(payment_id, `+none+`)
		  from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::text[], $10::bigint[], $11::text[], $12::bigint[], $13::uuid[])
		       as r (id, tenant_id, purchase_id, event_id, provider, reference, reason, expected_minor, expected_currency, received_minor, received_currency, credits, payment_id)
		    on conflict (provider, reference, reason, event_id) do nothing`,
		ids,
		column(reviews, func(r reviewRow) uuid.UUID { return r.tenant }),
		column(reviews, func(r reviewRow) uuid.UUID { return r.purchase }),
		column(reviews, func(r reviewRow) uuid.UUID { return r.event }),
		column(reviews, func(r reviewRow) string { return r.provider }),
		column(reviews, func(r reviewRow) string { return r.reference }),
		column(reviews, func(r reviewRow) string { return r.reason }),
		column(reviews, func(r reviewRow) int64 { return r.expected }),
		column(reviews, func(r reviewRow) string { return r.expectedCur }),
		column(reviews, func(r reviewRow) int64 { return r.received }),
		column(reviews, func(r reviewRow) string { return r.receivedCur }),
		column(reviews, func(r reviewRow) int64 { return r.credits }),
		column(reviews, func(r reviewRow) uuid.UUID { return r.payment }))
	return err
}

// writeEvents closes the events whose evidence was handled.
func (b *batch) writeEvents(tx *gorm.DB) error {
	var closed []eventState
	for i, v := range b.verdicts {
		if b.evidence[i].Event == uuid.Nil || v.kind == UnknownReference {
			continue
		}
		s := eventState{id: b.evidence[i].Event, state: "processed"}
		switch v.kind {
		case InReview, DisputeOpened:
			s.state, s.note = "review", v.reason
		case Ignored:
			s.state = "ignored"
		case Credited, AlreadyProcessed, MarkedFailed, Returned, PartlyReturned, UnknownReference:
		}
		closed = append(closed, s)
	}
	return closeEvents(tx, closed)
}

type eventState struct {
	id          uuid.UUID
	state, note string
}

// closeEvents writes the final state of events. An event that is closed already keeps its state: what is told twice changes nothing.
func closeEvents(tx *gorm.DB, events []eventState) error {
	if len(events) == 0 {
		return nil
	}
	_, err := exec(tx, "close events", `
		update billing.webhook_event e set state = s.state, error = nullif(s.note, ''), finished_at = now()
		  from unnest($1::uuid[], $2::text[], $3::text[]) as s (id, state, note)
		 where e.id = s.id and e.state = 'received'`,
		column(events, func(s eventState) uuid.UUID { return s.id }),
		column(events, func(s eventState) string { return s.state }),
		column(events, func(s eventState) string { return s.note }))
	return err
}

// Unmatched gives up on evidence whose reference no purchase ever had: its event becomes unmatched and a review is filed, so that
// the money behind it is seen. Any transaction of billing-worker.
func Unmatched(tx *gorm.DB, evidence []Evidence) error {
	var events []eventState
	var reviews []reviewRow
	for _, e := range evidence {
		if e.Event != uuid.Nil {
			events = append(events, eventState{id: e.Event, state: "unmatched", note: ReasonUnmatched})
		}
		reviews = append(reviews, reviewRow{event: e.Event, provider: e.Provider, reference: e.Reference, reason: ReasonUnmatched,
			received: e.Amount.Minor, receivedCur: string(e.Amount.Currency)})
	}
	if err := closeEvents(tx, events); err != nil {
		return err
	}
	return insertReviews(tx, reviews)
}
