package tasks

import (
	"context"

	"gorm.io/gorm"

	"makola/pkg/accounts"
	accountspb "makola/proto/makola/accounts/v1"
)

// cleanupLimit is how many people one run takes the names from.
const cleanupLimit = 500

// CleanupInactiveUsers takes their names from people whose account nobody has used for 90 days.
// SHORT: the database alone, in batches.
func (a *Accounts) CleanupInactiveUsers(ctx context.Context, tx *gorm.DB, _ *accountspb.CleanupInactiveUsersArgs) (*accountspb.CleanupInactiveUsersResult, error) {
	n, more, err := accounts.AnonymizeUntouched(tx, cleanupLimit)
	if err != nil {
		return nil, err
	}
	result := &accountspb.CleanupInactiveUsersResult{Status: "done", Processed: int32(n)}
	if more {
		result.Status = "continued"
		_, err = a.Tasks.CleanupInactiveUsers(ctx, tx, &accountspb.CleanupInactiveUsersArgs{})
	}
	return result, err
}
