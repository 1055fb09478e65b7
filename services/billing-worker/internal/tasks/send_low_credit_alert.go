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
	aifeatures "makola/proto/makola/ai_features/v1"
)

// SendLowCreditAlert stores the mail and the notice of one alert, unless there is nothing to tell any more.
// SHORT: the mail itself is sent by notifier.
func (a *AIFeatures) SendLowCreditAlert(ctx context.Context, tx *gorm.DB, args *aifeatures.SendLowCreditAlertArgs) (*aifeatures.SendLowCreditAlertResult, error) {
	ctx, tx, err := task.ForBusiness(ctx, tx, args.GetBusinessId())
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
