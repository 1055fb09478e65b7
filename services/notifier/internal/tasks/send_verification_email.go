package tasks

import (
	"context"
	"time"

	"gorm.io/gorm"

	"makola/pkg/accounts"
	"makola/pkg/notifications"
	accountspb "makola/proto/makola/accounts/v1"
)

// SendVerificationEmail makes the token with which a user confirms their address, and queues the mail that carries it.
func (a *Accounts) SendVerificationEmail(ctx context.Context, tx *gorm.DB, args *accountspb.SendVerificationEmailArgs) (*accountspb.SendVerificationEmailResult, error) {
	user, err := parseID("user_id", args.GetUserId())
	if err != nil {
		return nil, err
	}
	id, err := parseID("token_id", args.GetTokenId())
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
	token, err := accounts.MintVerification(tx, id, user)
	if err != nil {
		return nil, err
	}
	if token == "" {
		return &accountspb.SendVerificationEmailResult{Status: status(false)}, nil
	}
	res := &accountspb.SendVerificationEmailResult{}
	res.Status, res.EmailId, err = a.mail(ctx, tx, "verify:"+id.String(), u.email,
		notifications.VerifyEmail{Name: u.name, Token: token, ExpiresAt: time.Now().Add(accounts.VerificationLife), Timezone: m.timezone})
	return res, err
}
