package billing

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/money"
	"makola/pkg/problem"
)

// ErrReviewRefund reports money that cannot pay for a month, because the payment it came with has paid for one: it is given back at the provider.
var ErrReviewRefund = problem.New(problem.Conflict, "review_refund", "This money came on top of a payment that has its month. Have the provider give it back, and reject the review.")

// decideMonth carries out a decision about a subscription payment.
func (x *resolution) decideMonth(tx *gorm.DB) error {
	r := x.review
	if err := x.nothing(); err != nil {
		return err // a month is no number of credits
	}
	waits := false
	switch r.Reason {
	case ReasonAmount, ReasonCurrency, ReasonNoTxn, ReasonTxnReused, ReasonCancelled:
		waits = true
	}
	switch {
	case x.decision.Approve && (waits || r.Reason == ReasonUnsettled):
		return x.completeMonth(tx)
	case x.decision.Approve && (r.Reason == ReasonPaidAgain || r.Reason == ReasonWhileReview):
		return fmt.Errorf("review %s: %w", r.ID, ErrReviewRefund)
	case x.decision.Approve && r.Reason == ReasonPartial:
		return x.settleReturn(tx)
	case !x.decision.Approve && waits:
		_, err := exec(tx, "reject subscription payment", `
			update billing.subscription_payment set status = 'FAILED', updated_at = now() where tenant_id = $1 and id = $2 and status = 'REVIEW'`, x.business, r.Payment)
		return err
	}
	return nil // a dispute or the refund of an earlier month is only closed, whatever was agreed with the business
}

// completeMonth gives the month that the payment was made for.
func (x *resolution) completeMonth(tx *gorm.DB) error {
	r := x.review
	m := &openMonth{}
	var status SubscriptionPaymentStatus
	var now time.Time
	err := query(tx, "lock subscription payment", `
		select id, tenant_id, user_id, provider, reference, status, amount_expected, currency, coalesce(provider_txn_id, ''), storefronts, amount_returned, now()
		  from billing.subscription_payment where tenant_id = $1 and id = $2 for no key update`,
		func(rows pgx.Rows) error {
			var currency string
			err := rows.Scan(&m.id, &m.tenant, &m.user, &m.provider, &m.reference, &status, &m.expected.Minor, &currency, &m.txn, &m.storefronts, &m.returned, &now)
			m.expected.Currency = money.Currency(currency)
			return err
		}, x.business, r.Payment)
	if err != nil {
		return err
	}
	switch status {
	case SubPaymentReview, SubPaymentExpired, SubPaymentFailed, SubPaymentPending:
	default:
		return fmt.Errorf("review %s: the payment is %s: %w", r.ID, status, ErrReviewStale)
	}
	b := &subscriptionBatch{batch: batch{}, subscriptions: map[uuid.UUID]*openSubscription{}}
	if err := b.lockSubscriptions(tx, []uuid.UUID{m.tenant}); err != nil {
		return err
	}
	s := b.subscriptions[m.tenant]
	if s == nil {
		return fmt.Errorf("review %s: %w", r.ID, ErrNoSubscription)
	}
	m.start, m.end = s.extend(now.UTC())
	s.paid, s.storefronts, s.amount = true, m.storefronts, m.expected
	m.credited, m.changed, r.Extended = true, true, true
	if err := updatePayments(tx, []*openMonth{m}, func(*openMonth) SubscriptionPaymentStatus { return SubPaymentSuccessful }); err != nil {
		return err
	}
	if err := b.writeSubscriptions(tx); err != nil {
		return err
	}
	if err := settleInvoices(tx, now.UTC(), []*openMonth{m}); err != nil {
		return err
	}
	if err := x.post.transfer(x.business, "subscription", monthKey(m.id), r.Reference); err != nil {
		return err
	}
	if err := x.sell(tx, m.txn); err != nil {
		return err
	}
	if len(x.post.entries) == 0 {
		x.post.transfers = nil // the money is booked with another payment
	}
	x.paid = append(x.paid, m.paid("subscription_payment", "operator:"+x.decision.By.Actor, 0))
	return nil
}
