package billing

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/money"
	"makola/pkg/payments"
	"makola/pkg/postgres"
)

// SubscriptionOutcome is the result of one piece of evidence about a subscription payment.
type SubscriptionOutcome struct {
	// Kind is Credited when this evidence paid for a month, and else as for a purchase.
	Kind OutcomeKind
	// Tenant and Payment are set unless the reference is unknown.
	Tenant, Payment uuid.UUID
	// Reason says why for InReview; Parked is set when this evidence moved the payment to review.
	Reason string
	Parked bool
	// Changed is set when what the business's subscription is, or is paid for, has changed.
	Changed bool
}

// openMonth is a locked subscription payment while a batch is decided. Its rules are those of a purchase; what it buys is a month.
type openMonth struct {
	openPurchase
	// cancelled is set for a payment that was given up: it counts as failed, but a success does not pay for a month any more.
	cancelled  bool
	start, end time.Time
	// storefronts and of are what is paid for, and whose.
	storefronts int
	of          *openSubscription
}

// openSubscription is a locked subscription while a batch is decided.
type openSubscription struct {
	tenant      uuid.UUID
	status      SubscriptionStatus
	start, end  time.Time
	anchor      int
	zone        *time.Location
	changed     bool
	paid        bool
	returned    bool // the last month is taken away
	storefronts int
	amount      money.Amount
}

// extend adds one month, from now or from the end of what is paid for, whichever is later.
func (s *openSubscription) extend(now time.Time) (start, end time.Time) {
	start = s.end
	if start.Before(now) {
		start = now
		s.start, s.anchor = now, 0
	}
	local := start.In(s.zone)
	if s.anchor == 0 {
		s.anchor = local.Day()
	}
	end = nextMonth(local, s.anchor).UTC()
	s.end, s.changed = end, true
	if s.status != SubSuspended { // only an operator lifts that; the month counts all the same
		s.status = SubActive
	}
	return start, end
}

// subscriptionBatch is a batch of subscription payments: what it shares with one of credit purchases is most of it.
type subscriptionBatch struct {
	batch
	now           time.Time
	months        []*openMonth
	subscriptions map[uuid.UUID]*openSubscription
	earlier       []reviewRow
}

// SettleSubscriptions settles many subscription payments at once, as CreditBatch does credit purchases: by the same rules, with a constant number of statements. A payment that
// matches in status, amount, currency and reference to the unit pays for one month from now or from the end of what is paid for; whoever pays n times has n months. One that was
// given back takes its month away again if it is the last, and is filed for a person if later months stand on it.
//
// tx must be a platform transaction of billing-worker; it is bound to the businesses of the payments from here to its end. An error means that nothing may be committed.
func SettleSubscriptions(ctx context.Context, tx *gorm.DB, evidence []Evidence, now time.Time) ([]SubscriptionOutcome, error) {
	if len(evidence) == 0 {
		return nil, nil
	}
	tx = tx.WithContext(ctx)
	b := &subscriptionBatch{
		batch: batch{evidence: evidence, outcomes: make([]Outcome, len(evidence)), payer: map[movement]uuid.UUID{}},
		now:   now.UTC().Truncate(time.Microsecond), subscriptions: map[uuid.UUID]*openSubscription{},
	}
	if err := byKey(tx); err != nil {
		return nil, err
	}
	if err := b.match(tx); err != nil {
		return nil, err
	}
	if err := b.lock(tx); err != nil {
		return nil, err
	}
	if err := b.readReturns(tx, "payment_id"); err != nil {
		return nil, err
	}
	b.decide()
	if err := b.write(tx); err != nil {
		return nil, err
	}
	outcomes := make([]SubscriptionOutcome, len(evidence))
	for i, o := range b.outcomes {
		outcomes[i] = SubscriptionOutcome{Kind: o.Kind, Tenant: o.Tenant, Payment: o.Purchase, Reason: o.Reason, Parked: o.Parked}
		if n := b.of[i]; n >= 0 && n < len(b.months) {
			outcomes[i].Changed = b.months[n].of.changed
		}
	}
	return outcomes, nil
}

const matchSubscriptions = `
	select e.ord, coalesce(p.id, u.id), coalesce(p.tenant_id, u.tenant_id), u.id
	  from unnest($1::text[], $2::text[], $3::text[]) with ordinality as e (provider, reference, txn, ord)
	  left join billing.subscription_payment p on p.provider = e.provider and p.reference = e.reference
	  left join billing.subscription_payment u on u.provider = e.provider and u.provider_txn_id = e.txn and e.txn <> ''
	 where p.id is not null or e.reference = '' and u.id is not null `

// match finds the payment of each reference, across tenants, and binds the transaction to the tenants found.
func (b *subscriptionBatch) match(tx *gorm.DB) error {
	b.of = make([]int, len(b.evidence))
	for i := range b.of {
		b.of[i] = -1
	}
	at, tenants, bound := map[uuid.UUID]int{}, map[uuid.UUID]bool{}, []uuid.UUID{}
	err := query(tx, "match references", matchSubscriptions, func(rows pgx.Rows) error {
		var ord int
		var id, owner uuid.UUID
		var payer uuid.NullUUID
		if err := rows.Scan(&ord, &id, &owner, &payer); err != nil {
			return err
		}
		e := b.evidence[ord-1]
		if e.Requester != uuid.Nil && e.Requester != owner {
			return nil // another business's reference is as good as none
		}
		if payer.Valid {
			b.payer[movement{e.Provider, e.TransactionID}] = payer.UUID
		}
		n, seen := at[id]
		if !seen {
			n = len(b.ids)
			at[id] = n
			b.ids = append(b.ids, id)
		}
		b.of[ord-1] = n
		if !tenants[owner] {
			tenants[owner] = true
			bound = append(bound, owner)
		}
		return nil
	}, b.keys()...)
	if err != nil || len(b.ids) == 0 {
		return err
	}
	if err := postgres.BindTenants(tx, bound); err != nil {
		return fmt.Errorf("settle subscriptions: %w", err)
	}
	return nil
}

// keys are the arguments of matchSubscriptions.
func (b *batch) keys() []any {
	return []any{
		column(b.evidence, func(e Evidence) string { return e.Provider }),
		column(b.evidence, func(e Evidence) string { return e.Reference }),
		column(b.evidence, func(e Evidence) string { return e.TransactionID }),
	}
}

// OfSubscriptions says of each piece of evidence whether it is about a subscription payment: by the prefix of its reference, or, where the provider names the money movement alone, by
// that movement. tx must be a platform transaction of billing-worker.
func OfSubscriptions(tx *gorm.DB, evidence []Evidence) ([]bool, error) {
	of := make([]bool, len(evidence))
	nameless := false
	for i, e := range evidence {
		of[i] = strings.HasPrefix(e.Reference, SubscriptionPrefix)
		nameless = nameless || e.Reference == "" && e.TransactionID != ""
	}
	if !nameless {
		return of, nil
	}
	return of, query(tx, "find whose payment it is", `
		select e.ord from unnest($1::text[], $2::text[], $3::text[]) with ordinality as e (provider, reference, txn, ord)
		  join billing.subscription_payment u on u.provider = e.provider and u.provider_txn_id = e.txn and e.txn <> '' and e.reference = ''`,
		func(rows pgx.Rows) error {
			var ord int
			err := rows.Scan(&ord)
			of[ord-1] = true
			return err
		}, (&batch{evidence: evidence}).keys()...)
}

// lock locks the payments in the order of their references, then their subscriptions in the order of their businesses.
func (b *subscriptionBatch) lock(tx *gorm.DB) error {
	if len(b.ids) == 0 {
		return nil
	}
	byID := make(map[uuid.UUID]*openMonth, len(b.ids))
	tenants := []uuid.UUID{}
	err := query(tx, "lock subscription payments", `
		select p.id, p.tenant_id, p.provider, p.reference, p.status, p.amount_expected, p.currency, p.storefronts, coalesce(p.provider_txn_id, ''), coalesce(p.review_reason, ''),
		       coalesce(p.amount_received, 0), coalesce(p.currency_received, ''), p.period_start, p.period_end, p.user_id, coalesce(u.email, ''), p.amount_returned
		  from billing.subscription_payment p
		  left join accounts.user u on u.id = p.user_id
		 where p.id = any ($1::uuid[]) order by p.reference, p.id for no key update of p`,
		func(rows pgx.Rows) error {
			m := &openMonth{}
			var status SubscriptionPaymentStatus
			var currency, received string
			var start, end *time.Time
			if err := rows.Scan(&m.id, &m.tenant, &m.provider, &m.reference, &status, &m.expected.Minor, &currency, &m.storefronts, &m.txn, &m.reason,
				&m.received.Minor, &received, &start, &end, &m.user, &m.email, &m.returned); err != nil {
				return err
			}
			if start != nil && end != nil {
				m.start, m.end = *start, *end
			}
			m.expected.Currency, m.received.Currency = money.Currency(currency), money.Currency(received)
			m.status, m.cancelled = likePurchase(status), status == SubPaymentCancelled
			m.known()
			if m.txn != "" {
				b.payer[movement{m.provider, m.txn}] = m.id
			}
			byID[m.id], tenants = m, append(tenants, m.tenant)
			return nil
		}, b.ids)
	if err != nil {
		return err
	}
	if err := b.lockSubscriptions(tx, tenants); err != nil {
		return err
	}
	for _, id := range b.ids {
		m := byID[id]
		if m == nil || b.subscriptions[m.tenant] == nil {
			return fmt.Errorf("lock subscription payments: %s has vanished", id)
		}
		m.of = b.subscriptions[m.tenant]
		b.months, b.purchases = append(b.months, m), append(b.purchases, &m.openPurchase)
	}
	return nil
}

func (b *subscriptionBatch) lockSubscriptions(tx *gorm.DB, tenants []uuid.UUID) error {
	return query(tx, "lock subscriptions", `
		select s.tenant_id, s.status, s.period_start, s.period_end, coalesce(s.anchor_day, 0), b.timezone
		  from billing.subscription s join accounts.business b on b.id = s.tenant_id
		 where s.tenant_id = any ($1::uuid[]) order by s.tenant_id for no key update of s`,
		func(rows pgx.Rows) error {
			s := &openSubscription{}
			var zone string
			err := rows.Scan(&s.tenant, &s.status, &s.start, &s.end, &s.anchor, &zone)
			s.zone = location(zone)
			b.subscriptions[s.tenant] = s
			return err
		}, tenants)
}

// likePurchase is the state of a purchase that has the same rules.
func likePurchase(s SubscriptionPaymentStatus) Status {
	switch s {
	case SubPaymentSuccessful:
		return Completed
	case SubPaymentCancelled:
		return Failed
	case SubPaymentPending, SubPaymentFailed, SubPaymentRefunded, SubPaymentReview, SubPaymentExpired, SubPaymentDisputed:
	}
	return Status(strings.ToLower(string(s)))
}

// likeSubscription is the way back.
func likeSubscription(s Status) SubscriptionPaymentStatus {
	if s == Completed {
		return SubPaymentSuccessful
	}
	return SubscriptionPaymentStatus(strings.ToUpper(string(s)))
}

// decide applies the rules of purchases to each piece of evidence in turn, and moves periods by what they say.
func (b *subscriptionBatch) decide() {
	b.verdicts = make([]verdict, len(b.evidence))
	for i, e := range b.evidence {
		if b.of[i] < 0 {
			b.verdicts[i].kind, b.outcomes[i].Kind = UnknownReference, UnknownReference
			continue
		}
		m := b.months[b.of[i]]
		v := decideMonth(m, e, b.payer[movement{e.Provider, e.TransactionID}])
		if m.txn != "" {
			b.payer[movement{m.provider, m.txn}] = m.id
		}
		switch {
		case v.kind == Credited:
			m.start, m.end = m.of.extend(b.now)
			m.of.paid, m.of.storefronts, m.of.amount = true, m.storefronts, m.expected
		case v.kind == Returned && m.reversed && m.end.Equal(m.of.end):
			m.of.end, m.of.changed, m.of.returned = m.start, true, true
		case v.kind == Returned && m.reversed:
			b.earlier = append(b.earlier, reviewRow{tenant: m.tenant, payment: m.id, event: e.Event, provider: m.provider, reference: m.reference, reason: ReasonEarlier,
				expected: m.expected.Minor, expectedCur: string(m.expected.Currency), received: e.Amount.Minor, receivedCur: string(e.Amount.Currency)})
		}
		b.verdicts[i] = v
		b.outcomes[i] = Outcome{Kind: v.kind, Tenant: m.tenant, Purchase: m.id, Reason: v.reason, Parked: v.parked}
	}
}

// decideMonth is decide for a subscription payment: a success of one that was cancelled waits for a person.
func decideMonth(m *openMonth, e Evidence, payer uuid.UUID) verdict {
	given := m.cancelled && m.status == Failed && m.txn == ""
	charge := e.Kind != payments.KindRefund && e.Kind != payments.KindDispute && e.Status == payments.StatusSucceeded
	if given && charge && e.TransactionID != "" && (payer == uuid.Nil || payer == m.id) {
		m.status, m.reason, m.received, m.txn, m.changed = Review, ReasonCancelled, e.Amount, e.TransactionID, true
		v := review(ReasonCancelled, true)
		v.parked, v.noted = true, m.returned
		if m.own() != ownMoney {
			m.returned = 0 // that was of other money
		}
		return v
	}
	return decide(&m.openPurchase, e, payer)
}
