package billing

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/money"
)

// write writes what was decided: first the rows that only this batch touches, last the accounts that every batch shares.
func (b *subscriptionBatch) write(tx *gorm.DB) error {
	accounts, err := b.accounts(tx)
	if err != nil {
		return err
	}
	booked, err := b.suspenseBefore(tx)
	if err != nil {
		return err
	}
	p, err := b.post(accounts, booked, (*posting).sellMonth)
	if err != nil {
		return err
	}
	for _, m := range b.months {
		if m.reversed {
			if err := p.returnMonth(&m.openPurchase, accounts); err != nil {
				return err
			}
		}
	}
	if err := p.write(tx); err != nil {
		return err
	}
	if err := b.writeReturns(tx, "payment_id"); err != nil {
		return err
	}
	if err := b.writePayments(tx); err != nil {
		return err
	}
	if err := b.writeSubscriptions(tx); err != nil {
		return err
	}
	if err := settleInvoices(tx, b.now, b.months); err != nil {
		return err
	}
	reviews := b.reviews()
	for i := range reviews {
		reviews[i].payment, reviews[i].purchase = reviews[i].purchase, uuid.Nil
	}
	if err := insertReviews(tx, append(reviews, b.earlier...)); err != nil {
		return err
	}
	if err := b.writeEvents(tx); err != nil {
		return err
	}
	if err := b.audit(tx, "subscription_payment"); err != nil {
		return err
	}
	return p.writeBalances(tx)
}

// sellMonth adds the transfer of one paid month.
func (p *posting) sellMonth(o *openPurchase, accounts map[platformAccount]uuid.UUID) error {
	return p.monthEntries(o, accounts, "subscription", monthKey(o.id), o.expected)
}

// returnMonth adds the opposite, for what went back of it.
func (p *posting) returnMonth(o *openPurchase, accounts map[platformAccount]uuid.UUID) error {
	return p.monthEntries(o, accounts, "refund", refundKey(o), money.FromMinor(-o.due(), o.basis().Currency))
}

func monthKey(payment uuid.UUID) string { return "subscription:" + payment.String() }

func (p *posting) monthEntries(o *openPurchase, accounts map[platformAccount]uuid.UUID, kind, key string, amount money.Amount) error {
	if err := p.transfer(o.tenant, kind, key, o.reference); err != nil {
		return err
	}
	currency := string(amount.Currency)
	p.entry(accounts[platformAccount{kindReceivable, currency}], uuid.Nil, currency, amount.Minor)
	p.entry(accounts[platformAccount{kindSubscriptionSales, currency}], uuid.Nil, currency, -amount.Minor)
	return nil
}

// writePayments moves every changed payment to its last state.
func (b *subscriptionBatch) writePayments(tx *gorm.DB) error {
	var changed []*openMonth
	for _, m := range b.months {
		if m.changed {
			changed = append(changed, m)
		}
	}
	if len(changed) == 0 {
		return nil
	}
	// A payment that is paid and given back in one batch takes both steps: the arrows are looked at one by one.
	for _, step := range []func(*openMonth) SubscriptionPaymentStatus{
		func(m *openMonth) SubscriptionPaymentStatus {
			if m.credited {
				return SubPaymentSuccessful
			}
			return ""
		},
		func(m *openMonth) SubscriptionPaymentStatus { return likeSubscription(m.status) },
	} {
		var now []*openMonth
		for _, m := range changed {
			if step(m) != "" {
				now = append(now, m)
			}
		}
		if err := updatePayments(tx, now, step); err != nil {
			return err
		}
	}
	return nil
}

func updatePayments(tx *gorm.DB, changed []*openMonth, status func(*openMonth) SubscriptionPaymentStatus) error {
	if len(changed) == 0 {
		return nil
	}
	n, err := exec(tx, "update subscription payments", `
		update billing.subscription_payment p
		   set status = s.status, provider_txn_id = nullif(s.txn, ''), review_reason = nullif(s.reason, ''),
		       amount_received = case when s.currency = '' then p.amount_received else s.received end,
		       currency_received = coalesce(nullif(s.currency, ''), p.currency_received),
		       period_start = case when s.credited then s.starts else p.period_start end, period_end = case when s.credited then s.ends else p.period_end end,
		       completed_at = case when s.credited then coalesce(p.completed_at, now()) else p.completed_at end,
		       refunded_at = case when s.status = 'REFUNDED' then coalesce(p.refunded_at, now()) end, amount_returned = s.returned, updated_at = now()
		  from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::boolean[], $8::timestamptz[], $9::timestamptz[], $10::bigint[])
		       as s (id, status, txn, reason, received, currency, credited, starts, ends, returned)
		 where p.id = s.id`,
		column(changed, func(m *openMonth) uuid.UUID { return m.id }),
		column(changed, func(m *openMonth) string { return string(status(m)) }),
		column(changed, func(m *openMonth) string { return m.txn }),
		column(changed, func(m *openMonth) string { return m.reason }),
		column(changed, func(m *openMonth) int64 { return m.received.Minor }),
		column(changed, func(m *openMonth) string { return string(m.received.Currency) }),
		column(changed, func(m *openMonth) bool { return m.credited }),
		column(changed, func(m *openMonth) time.Time { return m.start }),
		column(changed, func(m *openMonth) time.Time { return m.end }),
		column(changed, func(m *openMonth) int64 { return m.returned }))
	if err == nil && n != int64(len(changed)) {
		err = fmt.Errorf("update subscription payments: %d of %d changed", n, len(changed))
	}
	return err
}

// writeSubscriptions moves every changed subscription to its last period. A payment takes back that it was to end. Of one whose last month was taken away the storefronts are again those
// of the month before: the payments are written already.
func (b *subscriptionBatch) writeSubscriptions(tx *gorm.DB) error {
	var changed []*openSubscription
	for _, s := range b.subscriptions {
		if s.changed {
			s.start = earlier(s.start, s.end)
			changed = append(changed, s)
		}
	}
	if len(changed) == 0 {
		return nil
	}
	n, err := exec(tx, "update subscriptions", `
		update billing.subscription u
		   set status = s.status, period_start = s.starts, period_end = s.ends, anchor_day = nullif(s.anchor, 0), updated_at = now(),
		       payment_status = case when s.paid then 'PAID' else u.payment_status end, is_trial = u.is_trial and not s.paid,
		       storefronts = case when s.returned then coalesce(l.storefronts, 1) when s.paid then s.storefronts else u.storefronts end,
		       next_storefronts = case when s.paid then null else u.next_storefronts end,
		       amount_minor = case when s.returned then l.amount_expected when s.paid then s.amount else u.amount_minor end,
		       currency = case when s.returned then coalesce(l.currency, u.currency) when s.paid then s.currency else u.currency end,
		       cancel_at_period_end = u.cancel_at_period_end and not s.paid, cancelled_at = case when s.paid then null else u.cancelled_at end,
		       cancelled_by = case when s.paid then null else u.cancelled_by end, cancel_reason = case when s.paid then '' else u.cancel_reason end
		  from unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::timestamptz[], $5::smallint[], $6::boolean[], $7::int[], $8::bigint[], $9::text[], $10::boolean[])
		       as s (tenant_id, status, starts, ends, anchor, paid, storefronts, amount, currency, returned)
		  left join lateral (select p.storefronts, p.amount_expected, p.currency from billing.subscription_payment p
		                      where s.returned and p.tenant_id = s.tenant_id and p.status in ('SUCCESSFUL', 'DISPUTED') order by p.period_end desc, p.id desc limit 1) l on true
		 where u.tenant_id = s.tenant_id`,
		column(changed, func(s *openSubscription) uuid.UUID { return s.tenant }),
		column(changed, func(s *openSubscription) string { return string(s.status) }),
		column(changed, func(s *openSubscription) time.Time { return s.start }),
		column(changed, func(s *openSubscription) time.Time { return s.end }),
		column(changed, func(s *openSubscription) int16 { return int16(s.anchor) }),
		column(changed, func(s *openSubscription) bool { return s.paid }),
		column(changed, func(s *openSubscription) int32 { return int32(s.storefronts) }),
		column(changed, func(s *openSubscription) int64 { return s.amount.Minor }),
		column(changed, func(s *openSubscription) string { return string(s.amount.Currency) }),
		column(changed, func(s *openSubscription) bool { return s.returned }))
	if err == nil && n != int64(len(changed)) {
		err = fmt.Errorf("update subscriptions: %d of %d changed", n, len(changed))
	}
	return err
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
