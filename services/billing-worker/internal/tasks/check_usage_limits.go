package tasks

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/accounts"
	"makola/pkg/billing"
	"makola/pkg/notifications"
	subscriptionspb "makola/proto/makola/subscriptions/v1"
)

// usagePage is how many businesses are counted with one query.
const usagePage = 500

// CheckUsageLimits tells businesses that have more than their subscription covers, or nearly so.
// SHORT: four statements for every 500 businesses. What was told this month is found again, and its key is taken.
func (s *Subscriptions) CheckUsageLimits(_ context.Context, tx *gorm.DB, _ *subscriptionspb.CheckUsageLimitsArgs) (*subscriptionspb.CheckUsageLimitsResult, error) {
	result := &subscriptionspb.CheckUsageLimitsResult{Status: "done"}
	for after, now := uuid.Nil, s.now(); ; {
		list, next, err := billing.Usages(tx, now, after, usagePage)
		if err != nil {
			return nil, err
		}
		var notices []notifications.Notice
		for _, b := range list {
			for _, u := range b.Usage {
				if u.Exceeded() || u.Near() {
					notices = append(notices, usageNotice(b.Subscription, u, now))
				}
			}
		}
		posted, err := notifications.Post(tx, s.Bell, notices)
		if err != nil {
			return nil, err
		}
		for _, fresh := range posted {
			if fresh {
				result.Alerts++
			}
		}
		if next == uuid.Nil {
			return result, nil
		}
		after = next
	}
}

func usageNotice(sub *billing.Subscription, u billing.ResourceUsage, now time.Time) notifications.Notice {
	n := notifications.Notice{
		Tenant: sub.Tenant, Permission: string(accounts.ManagePayments), Kind: notifications.KindUsageLimitWarning, Priority: notifications.Medium, Link: subscriptionLink,
		Title: fmt.Sprintf("%d of %d %s", u.Used, *u.Limit, u.Resource), Body: fmt.Sprintf("Your subscription is for up to %d %s.", *u.Limit, u.Resource),
		Data: map[string]any{"resource": u.Resource, "used": u.Used, "limit": *u.Limit},
	}
	if u.Exceeded() {
		n.Kind, n.Priority, n.Title = notifications.KindUsageLimitReached, notifications.Critical, fmt.Sprintf("%d %s, and %d are covered", u.Used, u.Resource, *u.Limit)
		n.Body = fmt.Sprintf("You have more %s than your subscription is for. Pay for more with the next month, or close some.", u.Resource)
	}
	n.Key = "usage:" + string(u.Resource) + ":" + string(n.Kind) + ":" + now.In(sub.Zone).Format("2006-01")
	return n
}
