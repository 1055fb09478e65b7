package tasks

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/notifications"
	"makola/pkg/postgres"
	"makola/pkg/task"
	"makola/pkg/tenant"
	aifeatures "makola/proto/makola/ai_features/v1"
)

// SendLowCreditAlert stores the mail and the notice of one alert, unless there is nothing to tell any more.
// SHORT: the mail itself is sent by notifier.
func (a *AIFeatures) SendLowCreditAlert(ctx context.Context, tx *gorm.DB, args *aifeatures.SendLowCreditAlertArgs) (*aifeatures.SendLowCreditAlertResult, error) {
	ctx, tx, err := forBusiness(ctx, tx, args.GetBusinessId())
	if err != nil {
		return nil, err
	}
	id, err := uuid.Parse(args.GetAlertId())
	if err != nil {
		return nil, task.Permanent(errors.New("alert_id is not a UUID"))
	}
	alert, err := billing.AlertToSend(tx, id)
	switch {
	case errors.Is(err, billing.ErrAlertNotFound):
		return nil, task.Permanent(err)
	case err != nil:
		return nil, err
	case alert.Recovered && !alert.Sent:
		return &aifeatures.SendLowCreditAlertResult{Status: "recovered"}, billing.CloseAlert(tx, alert)
	}
	mail, queued, err := notifications.Queue(ctx, tx, a.Mail, notifications.Email{Tenant: alert.Tenant, Key: "credit-alert:" + id.String(), To: alert.Email, Content: notifications.CreditAlert{
		Name: alert.Name, Business: alert.Business, Kind: string(alert.Kind), Balance: alert.Balance, Threshold: alert.Threshold,
		Ending: alert.Ending, EndsAt: alert.EndsAt, Timezone: alert.Timezone,
	}})
	switch {
	case errors.Is(err, notifications.ErrAddress):
		return nil, task.Permanent(err)
	case err != nil:
		return nil, fmt.Errorf("alert %s: %w", id, err)
	}
	if _, err := notifications.Post(tx, a.Bell, []notifications.Notice{alertNotice(alert)}); err != nil {
		return nil, fmt.Errorf("alert %s: %w", id, err)
	}
	alert.Recovered = false
	result := &aifeatures.SendLowCreditAlertResult{Status: "already_queued", EmailId: mail.String()}
	if queued {
		result.Status = "queued"
	}
	return result, billing.CloseAlert(tx, alert)
}

// forBusiness works for the business that the arguments name. A task of a business works for that one and for no other; a platform task, such as an old publisher's, is
// bound to it here.
func forBusiness(ctx context.Context, tx *gorm.DB, business string) (context.Context, *gorm.DB, error) {
	id, err := uuid.Parse(business)
	if err != nil {
		return ctx, tx, task.Permanent(errors.New("business_id is not a UUID"))
	}
	own, ok := tenant.From(ctx)
	switch {
	case ok && own != id:
		return ctx, tx, task.Permanent(errors.New("business_id is not the task's business"))
	case !ok:
		if err := postgres.BindTenants(tx, []uuid.UUID{id}); err != nil {
			return ctx, tx, err
		}
		ctx = tenant.With(ctx, id)
	}
	return ctx, tx.WithContext(ctx), nil
}
