package tasks

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/notifications"
	"makola/pkg/task"
	accountspb "makola/proto/makola/accounts/v1"
)

// SendWelcomeEmail queues the mail that welcomes a new user, once per user. The mail belongs to the user's business, so that publishers with and
// without a tenant mean the same mail.
func (a *Accounts) SendWelcomeEmail(ctx context.Context, tx *gorm.DB, args *accountspb.SendWelcomeEmailArgs) (*accountspb.SendWelcomeEmailResult, error) {
	id, err := uuid.Parse(args.GetUserId())
	if err != nil {
		return nil, task.Permanent(errors.New("user_id is not a UUID"))
	}
	u, err := loadUser(tx, id)
	if err != nil {
		return nil, err
	}
	ctx, m, err := enterBusiness(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	mailID, queued, err := notifications.Queue(ctx, tx, a.Notify, notifications.Email{
		Key: "welcome:" + id.String(), To: u.email,
		Content: notifications.Welcome{Name: u.name, Business: m.business, Role: m.role},
	})
	switch {
	case errors.Is(err, notifications.ErrAddress):
		return nil, task.Permanent(fmt.Errorf("welcome user %s: %w", id, err))
	case err != nil:
		return nil, fmt.Errorf("welcome user %s: %w", id, err)
	}
	return &accountspb.SendWelcomeEmailResult{Status: status(queued), EmailId: mailID.String()}, nil
}

func status(queued bool) string {
	if queued {
		return "queued"
	}
	return "already_queued"
}
