package tasks

import (
	"context"

	"gorm.io/gorm"

	"makola/pkg/notifications"
	"makola/pkg/task"
	accountspb "makola/proto/makola/accounts/v1"
)

// SendPasswordChangedEmail queues the notice that a password was changed. The time it names is when the task was accepted, which is when the change committed.
func (a *Accounts) SendPasswordChangedEmail(ctx context.Context, tx *gorm.DB, args *accountspb.SendPasswordChangedEmailArgs) (*accountspb.SendPasswordChangedEmailResult, error) {
	user, err := parseID("user_id", args.GetUserId())
	if err != nil {
		return nil, err
	}
	change, err := parseID("change_id", args.GetChangeId())
	if err != nil {
		return nil, err
	}
	u, err := loadUser(tx, user)
	if err != nil {
		return nil, err
	}
	ctx, m, err := enterBusiness(ctx, tx, user)
	if err != nil {
		return nil, err
	}
	res := &accountspb.SendPasswordChangedEmailResult{}
	res.Status, res.EmailId, err = a.mail(ctx, tx, "password-changed:"+change.String(), u.email,
		notifications.PasswordChanged{Name: u.name, ChangedAt: task.RunFrom(ctx).CreatedAt, IP: args.GetIp(), Timezone: m.timezone})
	return res, err
}
