package tasks

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"gorm.io/gorm"

	"makola/pkg/accounts"
	"makola/pkg/notifications"
	"makola/pkg/postgres"
	"makola/pkg/task"
	accountspb "makola/proto/makola/accounts/v1"
)

// SendInvitationEmail makes the token that accepts an invitation, and queues the mail that carries it. The token of an earlier mail stops working.
func (a *Accounts) SendInvitationEmail(ctx context.Context, tx *gorm.DB, args *accountspb.SendInvitationEmailArgs) (*accountspb.SendInvitationEmailResult, error) {
	id, err := parseID("invitation_id", args.GetInvitationId())
	if err != nil {
		return nil, err
	}
	var to string
	var mailed int32
	var c notifications.Invitation
	err = postgres.QueryRow(tx, `
		select i.email, i.role, cardinality(i.storefront_ids), i.expires_at, i.mailed, b.name, b.timezone, u.name
		  from accounts.invitation i join accounts.business b on b.id = i.tenant_id join accounts.user u on u.id = i.invited_by where i.id = $1`, id).
		Scan(&to, &c.Role, &c.Storefronts, &c.ExpiresAt, &mailed, &c.Business, &c.Timezone, &c.Inviter)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, task.Permanent(fmt.Errorf("invitation %s does not exist", id))
	case err != nil:
		return nil, fmt.Errorf("read invitation %s: %w", id, err)
	}
	if mailed >= args.GetNumber() {
		return &accountspb.SendInvitationEmailResult{Status: status(false)}, nil
	}
	if c.Token, err = accounts.MintInvitation(tx, id, int(args.GetNumber())); err != nil {
		return nil, err
	}
	if c.Token == "" {
		return &accountspb.SendInvitationEmailResult{Status: "not_pending"}, nil
	}
	res := &accountspb.SendInvitationEmailResult{}
	res.Status, res.EmailId, err = a.mail(ctx, tx, fmt.Sprintf("invite:%s:%d", id, args.GetNumber()), to, c)
	return res, err
}
