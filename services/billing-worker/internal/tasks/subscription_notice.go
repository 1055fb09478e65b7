package tasks

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/accounts"
	"makola/pkg/billing"
	"makola/pkg/notifications"
)

// remindPage is how many subscriptions are looked at with one query.
const remindPage = 500

// message is one thing that a business is told twice: by mail and in the application.
type message struct {
	mail   notifications.Email
	notice notifications.Notice
}

// tellOwners stores mails and notices of many businesses, with three statements, and returns how many mails are new. An owner whose address cannot be written to keeps nobody
// from being told. tx must be bound to all of the businesses.
func (s *Subscriptions) tellOwners(ctx context.Context, tx *gorm.DB, messages []message) (fresh int32, err error) {
	if len(messages) == 0 {
		return 0, nil
	}
	mails, notices := make([]notifications.Email, len(messages)), make([]notifications.Notice, len(messages))
	for i, m := range messages {
		mails[i], notices[i] = m.mail, m.notice
	}
	if _, err := notifications.Post(tx, s.Bell, notices); err != nil {
		return 0, err
	}
	queued, err := notifications.QueueAll(ctx, tx, s.Mail, mails)
	if err != nil {
		return 0, err
	}
	for i, q := range queued {
		switch {
		case errors.Is(q.Err, notifications.ErrAddress):
			slog.WarnContext(ctx, "an owner cannot be written to", "mail", mails[i].Key)
		case q.Err != nil:
			return 0, q.Err
		case q.New:
			fresh++
		}
	}
	return fresh, nil
}

// remind tells the owners whom a reminder of that kind is due for.
func (s *Subscriptions) remind(ctx context.Context, tx *gorm.DB, kind billing.ReminderKind) (sent int32, err error) {
	after, now := uuid.Nil, s.now()
	for {
		due, next, err := billing.DueReminders(tx, kind, now, after, remindPage)
		if err != nil {
			return 0, err
		}
		messages := make([]message, len(due))
		for i := range due {
			messages[i] = reminderMessage(kind, &due[i])
		}
		fresh, err := s.tellOwners(ctx, tx, messages)
		if err != nil {
			return 0, err
		}
		if sent += fresh; next == uuid.Nil {
			return sent, nil
		}
		after = next
	}
}

func reminderMessage(kind billing.ReminderKind, r *billing.Reminder) message {
	key := string(kind) + ":" + r.Tenant.String() + ":" + r.PeriodEnd.UTC().Format(time.RFC3339) + ":" + strconv.Itoa(r.Threshold)
	n := notifications.Notice{
		Tenant: r.Tenant, Permission: string(accounts.ManagePayments), Kind: notifications.KindSubscriptionExpiring, Priority: notifications.Medium, Key: key, Link: subscriptionLink,
		Title: "Your subscription ends on " + day(r.PeriodEnd, r.Zone), Body: "It does not renew by itself. The next month costs " + r.Quote.Total.Display() + ".",
		Data: map[string]any{"period_end": r.PeriodEnd.UTC(), "days": r.Days, "amount": r.Quote.Total.Decimal(), "currency": r.Quote.Total.Currency},
	}
	if r.Threshold <= 3 {
		n.Priority = notifications.High
	}
	if kind == billing.RemindTrial {
		n.Kind, n.Title, n.Body = notifications.KindTrialEnding, "Your trial ends on "+day(r.PeriodEnd, r.Zone), "To go on after that, pay for a month: "+r.Quote.Total.Display()+"."
	}
	return message{notice: n, mail: notifications.Email{Tenant: r.Tenant, Key: key, To: r.Email, Content: notifications.SubscriptionReminder{
		Name: r.Name, Business: r.Business, Kind: string(kind), EndsAt: r.PeriodEnd, Days: r.Days, AmountMinor: r.Quote.Total.Minor, Currency: r.Quote.Total.Currency,
		Storefronts: r.Quote.Storefronts, Timezone: r.Timezone,
	}}}
}

// cancelling is what a mail calls a subscription that ends with its period.
const cancelling billing.SubscriptionStatus = "CANCELLING"

// stateMessage tells what a subscription has become. at tells two moves into the same state apart.
func stateMessage(sub *billing.Subscription, who billing.Addressee, state billing.SubscriptionStatus, at time.Time) message {
	key := "sub:" + sub.Tenant.String() + ":" + string(state) + ":" + at.UTC().Format(time.RFC3339Nano)
	n := notifications.Notice{
		Tenant: sub.Tenant, Permission: string(accounts.ViewFinancialData), Priority: notifications.Critical, Key: key, Link: subscriptionLink,
		Data: map[string]any{"status": state, "period_end": sub.PeriodEnd.UTC()},
	}
	mail := notifications.SubscriptionState{Name: who.Name, Business: who.Business, State: string(state), EndsAt: sub.PeriodEnd, Timezone: who.Timezone}
	switch state {
	case billing.SubInactive:
		n.Kind, n.Title, n.Body = notifications.KindTrialExpired, "Your trial is over", "To go on, pay for a month."
	case billing.SubPastDue:
		mail.GraceEndsAt = sub.GraceEnds()
		n.Kind, n.Title = notifications.KindPaymentOverdue, "Your subscription is past due"
		n.Body = "Pay for a month to go on selling. Reports can be read until the end of " + day(mail.GraceEndsAt.Add(-time.Second), sub.Zone) + "."
	case billing.SubExpired:
		n.Kind, n.Title, n.Body = notifications.KindSubscriptionExpired, "Your subscription has expired", "To come back, pay for a month."
	case cancelling:
		n.Kind, n.Priority, n.Title = notifications.KindSubscriptionCancelled, notifications.Medium, "Your subscription ends on "+day(sub.PeriodEnd, sub.Zone)
		n.Body = "It was cancelled by its owner, who may change their mind until then."
	case billing.SubCancelled:
		n.Kind, n.Priority, n.Title, n.Body = notifications.KindSubscriptionCancelled, notifications.High, "Your subscription has ended", "It was cancelled by its owner. To come back, pay for a month."
	case billing.SubSuspended:
		n.Kind, n.Title, n.Body = notifications.KindSubscriptionSuspended, "Your subscription is suspended", "Paying does not change that; write to us."
	case billing.SubActive, billing.SubTrial:
		n.Kind, n.Priority, n.Title = notifications.KindSubscriptionActivated, notifications.Low, "Your subscription is no longer suspended"
		n.Body = "It lasts until " + day(sub.PeriodEnd, sub.Zone) + "."
	}
	return message{notice: n, mail: notifications.Email{Tenant: sub.Tenant, Key: key, To: who.Email, Content: mail}}
}

// tellState tells one business's owner what its subscription has become; inactive is true for a business that is closed.
func (s *Subscriptions) tellState(ctx context.Context, tx *gorm.DB, sub *billing.Subscription, state billing.SubscriptionStatus, at time.Time) (fresh int32, inactive bool, err error) {
	people, err := billing.Addressees(tx, []uuid.UUID{sub.Tenant})
	if err != nil {
		return 0, false, err
	}
	who, open := people[sub.Tenant]
	if !open {
		return 0, true, nil
	}
	fresh, err = s.tellOwners(ctx, tx, []message{stateMessage(sub, who, state, at)})
	return fresh, false, err
}

// day is a day of the business's calendar.
func day(t time.Time, zone *time.Location) string { return t.In(zone).Format("2 January 2006") }
