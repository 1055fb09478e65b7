package tasks

import (
	"context"

	"gorm.io/gorm"

	"makola/pkg/accounts"
	accountspb "makola/proto/makola/accounts/v1"
)

// ExpireInvitations ends the invitations that nobody accepted in time. They could not be accepted before it ran either: it makes the list and the log say so.
func (a *Accounts) ExpireInvitations(_ context.Context, tx *gorm.DB, _ *accountspb.ExpireInvitationsArgs) (*accountspb.ExpireInvitationsResult, error) {
	n, err := accounts.ExpireInvitations(tx)
	return &accountspb.ExpireInvitationsResult{Expired: int32(n)}, err
}
