package tasks

import (
	"context"
	"time"

	"gorm.io/gorm"

	"makola/pkg/accounts"
	"makola/pkg/notifications"
	accountspb "makola/proto/makola/accounts/v1"
)

// SendPasswordResetEmail makes the token that admits a new password, and queues the mail that carries it. It is here, and not in the gateway, that the address is looked
// up: the gateway does the same for every address, so its answer tells nothing, not even by the time it takes.
func (a *Accounts) SendPasswordResetEmail(ctx context.Context, tx *gorm.DB, args *accountspb.SendPasswordResetEmailArgs) (*accountspb.SendPasswordResetEmailResult, error) {
	id, err := parseID("token_id", args.GetTokenId())
	if err != nil {
		return nil, err
	}
	user, found, err := findUser(tx, args.GetEmail())
	if err != nil {
		return nil, err
	}
	if !found {
		return &accountspb.SendPasswordResetEmailResult{Status: "no_account"}, nil
	}
	u, err := loadUser(tx, user)
	if err != nil {
		return nil, err
	}
	ctx, m, err := enterBusiness(ctx, tx, user)
	if err != nil {
		return nil, err
	}
	token, err := accounts.MintReset(tx, id, user)
	if err != nil {
		return nil, err
	}
	if token == "" {
		return &accountspb.SendPasswordResetEmailResult{Status: status(false)}, nil
	}
	res := &accountspb.SendPasswordResetEmailResult{}
	res.Status, res.EmailId, err = a.mail(ctx, tx, "reset:"+id.String(), u.email,
		notifications.PasswordReset{Name: u.name, Token: token, ExpiresAt: time.Now().Add(accounts.ResetLife), Timezone: m.timezone})
	return res, err
}
