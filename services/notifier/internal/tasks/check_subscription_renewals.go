package tasks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/notifications"
	accountspb "makola/proto/makola/accounts/v1"
)

// renewalPage is how many subscriptions are looked at with one query.
const renewalPage = 500

// CheckSubscriptionRenewals mails the owners of subscriptions that renew within a week, once for each period.
// SHORT: six statements for every 500 subscriptions. It runs every hour, and finds those that are told of again: their key is taken. So no hour that cron missed is missed.
func (a *Accounts) CheckSubscriptionRenewals(ctx context.Context, tx *gorm.DB, _ *accountspb.CheckSubscriptionRenewalsArgs) (*accountspb.CheckSubscriptionRenewalsResult, error) {
	result := &accountspb.CheckSubscriptionRenewalsResult{Status: "done"}
	for after, now := uuid.Nil, a.now(); ; {
		due, next, err := billing.DueReminders(tx, billing.RemindRenewal, now, after, renewalPage)
		if err != nil {
			return nil, err
		}
		mails := make([]notifications.Email, len(due))
		for i := range due {
			mails[i] = renewalMail(&due[i])
		}
		queued, err := notifications.QueueAll(ctx, tx, a.Notify, mails)
		if err != nil {
			return nil, fmt.Errorf("remind of renewals: %w", err)
		}
		for i, q := range queued {
			switch {
			case errors.Is(q.Err, notifications.ErrAddress):
				slog.WarnContext(ctx, "an owner cannot be written to", "mail", mails[i].Key)
			case q.Err != nil:
				return nil, fmt.Errorf("remind of renewals: %w", q.Err)
			case q.New:
				result.Sent++
			}
		}
		if next == uuid.Nil {
			return result, nil
		}
		after = next
	}
}

func renewalMail(r *billing.Reminder) notifications.Email {
	return notifications.Email{
		Tenant: r.Tenant, Key: "renewal:" + r.Tenant.String() + ":" + r.PeriodEnd.UTC().Format(time.RFC3339), To: r.Email,
		Content: notifications.SubscriptionReminder{
			Name: r.Name, Business: r.Business, Kind: string(billing.RemindRenewal), EndsAt: r.PeriodEnd, Days: r.Days, AmountMinor: r.Quote.Total.Minor, Currency: r.Quote.Total.Currency,
			Storefronts: r.Quote.Storefronts, Timezone: r.Timezone,
		},
	}
}

// now is the instant that a handler works at.
func (a *Accounts) now() time.Time {
	if a.Now == nil {
		return time.Now()
	}
	return a.Now()
}
