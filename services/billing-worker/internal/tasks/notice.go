package tasks

import (
	"makola/pkg/accounts"
	"makola/pkg/billing"
	"makola/pkg/money"
	"makola/pkg/notifications"
)

// Where the application shows what notices are about.
const (
	creditsLink      = "/credits"
	subscriptionLink = "/subscription"
)

// alertNotice tells in the application what the mail of an alert tells its owner.
func alertNotice(a *billing.Alert) notifications.Notice {
	n := notifications.Notice{
		Tenant: a.Tenant, Permission: string(accounts.ViewFinancialData), Key: "credit-alert:" + a.ID.String(), Link: creditsLink,
		Data: map[string]any{"alert_id": a.ID, "balance": a.Balance},
	}
	switch a.Kind {
	case billing.AlertDepleted:
		n.Kind, n.Priority, n.Title = notifications.KindCreditsDepleted, notifications.Critical, "Your AI credits are used up"
		n.Body = "AI features that cost more than the " + a.Balance.String() + " credits that are left pause until credits are added."
	case billing.AlertLow:
		n.Kind, n.Priority, n.Title = notifications.KindCreditsLow, notifications.High, "Your AI credits are running low"
		n.Body = a.Balance.String() + " credits are left."
	case billing.AlertExpiring:
		n.Kind, n.Priority, n.Title = notifications.KindCreditsExpiring, notifications.Medium, a.Ending.String()+" AI credits are about to expire"
		n.Body = "Credits that expire cannot be used any more."
		n.Data["ending"], n.Data["ends_at"] = a.Ending, a.EndsAt.UTC()
	}
	return n
}

// purchaseNotice tells that credits were bought.
func purchaseNotice(r *billing.Receipt) notifications.Notice {
	p := r.Purchase
	return notifications.Notice{
		Tenant: p.Tenant, Permission: string(accounts.ViewFinancialData), Kind: notifications.KindCreditsPurchased, Priority: notifications.Low, Key: "purchase:" + p.ID.String(), Link: creditsLink,
		Title: (p.Credits + p.Bonus).String() + " AI credits were added", Body: "Payment " + p.Reference + " of " + p.Total.Display() + " was received. " + r.Balance.String() + " credits may be spent now.",
		Data: map[string]any{"reference": p.Reference, "credits": p.Credits, "bonus": p.Bonus},
	}
}

// reviewNotice tells that a payment arrived and is being checked by a person.
func reviewNotice(r notifications.PaymentReview, link string) notifications.Notice {
	expected := money.FromMinor(r.ExpectedMinor, r.ExpectedCurrency)
	return notifications.Notice{
		Permission: string(accounts.ManagePayments), Kind: notifications.KindPaymentUnderReview, Priority: notifications.High, Key: "pay:" + r.Reference + ":review", Link: link,
		Title: "A payment is being checked", Body: "What we were told of payment " + r.Reference + " of " + expected.Display() + " does not fit what was to be paid. Somebody looks into it; you need not pay again.",
		Data: map[string]any{"reference": r.Reference},
	}
}

// failedNotice tells that a payment did not arrive.
func failedNotice(f notifications.PaymentFailed, link string) notifications.Notice {
	expected := money.FromMinor(f.ExpectedMinor, f.ExpectedCurrency)
	return notifications.Notice{
		Permission: string(accounts.ManagePayments), Kind: notifications.KindPaymentFailed, Priority: notifications.High, Key: "pay:" + f.Reference + ":failed", Link: link,
		Title: "A payment was not received", Body: "The payment provider says that payment " + f.Reference + " of " + expected.Display() + " failed. Nothing was added; you can pay again.",
		Data: map[string]any{"reference": f.Reference},
	}
}

// monthNotice tells that a month was paid for.
func monthNotice(p *billing.SubscriptionPayment) notifications.Notice {
	return notifications.Notice{
		Tenant: p.Tenant, Permission: string(accounts.ViewFinancialData), Kind: notifications.KindSubscriptionActivated, Priority: notifications.Low, Key: "sub-payment:" + p.ID.String(), Link: subscriptionLink,
		Title: "Your subscription is paid", Body: "Payment " + p.Reference + " of " + p.Total.Display() + " was received.",
		Data: map[string]any{"reference": p.Reference, "period_start": p.PeriodStart.UTC(), "period_end": p.PeriodEnd.UTC()},
	}
}

// platformCopy is the mail that tells the platform, at the address to, that a payment waits for a person, when m tells its payer that. It is of the payer's business, like m.
func platformCopy(to string, m notifications.Email) []notifications.Email {
	review, ok := m.Content.(notifications.PaymentReview)
	if !ok || to == "" {
		return nil
	}
	review.Name, review.Platform = "", true
	m.To, m.Key, m.Content = to, m.Key+":platform", review
	return []notifications.Email{m}
}
