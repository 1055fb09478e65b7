package tasks

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/notifications"
	"makola/pkg/task"
	"makola/proto/contract"
	aifeatures "makola/proto/makola/ai_features/v1"
	notificationspb "makola/proto/makola/notifications/v1"
	subscriptionspb "makola/proto/makola/subscriptions/v1"
)

// errNoMonth is retried: a webhook can be faster than our own commit of the payment.
var errNoMonth = errors.New("no subscription payment has this reference yet")

// settle is AIFeatures.settle for subscription payments.
func (s *Subscriptions) settle(ctx context.Context, tx *gorm.DB, claims []*claim) error {
	events, err := storedEvents(tx, claims)
	if err != nil {
		return err
	}
	ours, err := ofSubscriptions(tx, claims, events)
	if err != nil {
		return err
	}
	var evidence []billing.Evidence
	var settled []*claim
	var aside []uuid.UUID
	for i, c := range claims {
		if c.err != nil {
			continue
		}
		if !ours[i] {
			if err := s.handOver(ctx, tx, c, events); err != nil {
				return err
			}
			continue
		}
		event, ok := evidenceOf(s.Policy, c, events)
		if !ok {
			if err := s.ask(ctx, tx, c, event); err != nil {
				return err
			}
			if event.Event != uuid.Nil {
				aside = append(aside, event.Event)
			}
			continue
		}
		event.Requester = c.run.Tenant
		evidence, settled = append(evidence, event.Evidence), append(settled, c)
	}
	if err := billing.SetAside(tx, aside); err != nil {
		return err
	}
	outcomes, err := billing.SettleSubscriptions(ctx, tx, evidence, s.now())
	if err != nil {
		return fmt.Errorf("settle %d subscription payments: %w", len(evidence), err)
	}
	if err := bindAll(tx, claims, owners(outcomes, func(o billing.SubscriptionOutcome) uuid.UUID { return o.Tenant })); err != nil {
		return err
	}
	var unmatched []billing.Evidence
	for i, c := range settled {
		o := outcomes[i]
		c.result.status = string(o.Kind)
		if o.Payment != uuid.Nil {
			c.result.business, c.result.purchase = o.Tenant.String(), o.Payment.String()
		}
		switch {
		case o.Kind == billing.Credited:
			c.result.status = "success"
		case o.Kind == billing.UnknownReference && c.run.Attempt < c.run.MaxAttempts:
			c.err = fmt.Errorf("settle %.100s: %w", c.reference, errNoMonth)
		case o.Kind == billing.UnknownReference:
			c.result.status = "unmatched"
			unmatched = append(unmatched, evidence[i])
		}
	}
	if err := s.tell(ctx, tx, settled, outcomes); err != nil {
		return err
	}
	return billing.Unmatched(tx, unmatched)
}

// handOver has a claim about another product's payment acted on by the tasks of AI credits, which also keep what nobody knows.
func (s *Subscriptions) handOver(ctx context.Context, tx *gorm.DB, c *claim, events map[uuid.UUID]billing.StoredEvent) (err error) {
	c.result.status = handedOver
	if event, ok := eventOf(c, events); ok {
		_, err = s.Credits.ProcessWebhookEvent(ctx, tx, &aifeatures.ProcessWebhookEventArgs{EventId: event.Event.String()}, c.follow()...)
		return err
	}
	_, err = s.Credits.ProcessPaymentWebhook(ctx, tx, &aifeatures.ProcessPaymentWebhookArgs{PaymentReference: c.reference, PaymentProvider: &c.provider}, c.follow()...)
	return err
}

// ask has the provider asked, because the task brings no evidence.
func (s *Subscriptions) ask(ctx context.Context, tx *gorm.DB, c *claim, event billing.StoredEvent) error {
	c.result.status = "verifying"
	_, err := s.Tasks.VerifyPayment(ctx, tx, &subscriptionspb.VerifyPaymentArgs{PaymentReference: c.reference, PaymentProvider: &c.provider, Reason: c.reason(event)}, c.follow()...)
	return err
}

// tell stores the receipt of each month that was paid for just now, and a mail for the payer of each payment that has gone to review or has failed; and tells the businesses'
// endpoints what their subscriptions are now.
func (s *Subscriptions) tell(ctx context.Context, tx *gorm.DB, settled []*claim, outcomes []billing.SubscriptionOutcome) error {
	var ids []uuid.UUID
	cause := map[uuid.UUID]contract.Run{}
	for i, o := range outcomes {
		if o.Kind == billing.Credited || o.Kind == billing.MarkedFailed || o.Parked {
			ids = append(ids, o.Payment)
			cause[o.Payment] = settled[i].run
		}
	}
	if err := mailMonths(ctx, tx, s.Mail, s.Bell, s.PlatformEmail, ids, cause); err != nil {
		return err
	}
	var changed []uuid.UUID
	changer := map[uuid.UUID]contract.Run{}
	for i, o := range outcomes {
		if _, twice := changer[o.Tenant]; o.Changed && !twice {
			changed, changer[o.Tenant] = append(changed, o.Tenant), settled[i].run
		}
	}
	return tellSubscriptions(ctx, tx, s.Webhooks, changed, changer)
}

// mailMonths stores the mails and notices about payments, by the state they are in: a receipt, word that a person looks, or that nothing was received. One payment has one of
// each kind.
func mailMonths(ctx context.Context, tx *gorm.DB, mail *notificationspb.Tasks, bell *task.Queue, platform string, ids []uuid.UUID, cause map[uuid.UUID]contract.Run) error {
	receipts, err := billing.SubscriptionReceipts(tx, ids)
	if err != nil {
		return err
	}
	var mails []notifications.Email
	var notices []notifications.Notice
	for id, r := range receipts {
		p := r.Payment
		m := notifications.Email{Tenant: p.Tenant, To: r.Email, Cause: cause[id]}
		switch {
		case p.Status == billing.SubPaymentSuccessful && p.PeriodStart != nil:
			m.Key = "sub:" + p.Tenant.String() + ":" + string(billing.SubActive) + ":" + p.Reference // not the month: that may be given back, and paid for again
			m.Content = monthReceipt(r)
			notices = append(notices, monthNotice(p))
		case p.Status == billing.SubPaymentReview:
			m.Key = "pay:" + p.Reference + ":review"
			review := notifications.PaymentReview{
				Name: r.Name, Business: r.Business, Reference: p.Reference, ExpectedMinor: p.Total.Minor, ExpectedCurrency: p.Total.Currency,
				ReceivedMinor: p.Received.Minor, ReceivedCurrency: p.Received.Currency, ReportedAt: cause[id].CreatedAt, Timezone: r.Timezone, Product: "subscription",
			}
			m.Content = review
			notice := reviewNotice(review, subscriptionLink)
			notice.Tenant = p.Tenant
			notices = append(notices, notice)
		case p.Status == billing.SubPaymentFailed && cause[id].ID != uuid.Nil: // news of a provider, not a decision about a refund
			m.Key = "pay:" + p.Reference + ":failed"
			failed := notifications.PaymentFailed{
				Name: r.Name, Business: r.Business, Reference: p.Reference, ExpectedMinor: p.Total.Minor, ExpectedCurrency: p.Total.Currency,
				ReportedAt: cause[id].CreatedAt, Timezone: r.Timezone, Product: "subscription",
			}
			m.Content = failed
			notice := failedNotice(failed, subscriptionLink)
			notice.Tenant = p.Tenant
			notices = append(notices, notice)
		default:
			continue // paid and given back at once
		}
		mails = append(append(mails, m), platformCopy(platform, m)...)
	}
	if _, err := notifications.Post(tx, bell, notices); err != nil {
		return err
	}
	_, err = notifications.QueueAll(ctx, tx, mail, mails) // a payer without a usable address is no reason to lose the month
	return err
}

// monthReceipt is the content of the receipt.
func monthReceipt(r *billing.SubscriptionReceipt) notifications.SubscriptionActivated {
	p := r.Payment
	c := notifications.SubscriptionActivated{
		Name: r.Name, Business: r.Business, Storefronts: p.Storefronts, Reference: p.Reference, Currency: p.Total.Currency, BaseMinor: p.Base.Minor, PaidMinor: p.Total.Minor,
		PeriodStart: *p.PeriodStart, PeriodEnd: *p.PeriodEnd, Timezone: r.Timezone,
	}
	if p.CompletedAt != nil {
		c.PaidAt = *p.CompletedAt
	}
	for _, t := range p.Taxes {
		c.Taxes = append(c.Taxes, notifications.Tax{Name: t.Name, BasisPoints: t.BasisPoints, AmountMinor: t.Amount.Minor})
	}
	c.Charges = chargesOf(p.Charges)
	return c
}

// chargesOf are service charges as mails list them: below the taxes, a fixed one without a rate.
func chargesOf(lines []billing.ChargeLine) (list []notifications.Tax) {
	for _, l := range lines {
		list = append(list, notifications.Tax{Name: l.Name, BasisPoints: l.BasisPoints, AmountMinor: l.Amount.Minor})
	}
	return list
}
