package tasks

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/task"
	"makola/proto/contract"
	aifeatures "makola/proto/makola/ai_features/v1"
)

// usageItem is one captured hold of a batch.
type usageItem = contract.Item[*aifeatures.RecordUsageArgs, *aifeatures.RecordUsageResult]

// RecordUsage brings the captured holds of a batch into the ledger, and raises the alerts that are due after that.
// BATCH: use comes in floods, and every transfer of credits changes one account of the platform, so 256 share its lock.
func (a *AIFeatures) RecordUsage(ctx context.Context, tx *gorm.DB, items []*usageItem) error {
	ids := make([]uuid.UUID, len(items))
	for i, item := range items {
		var err error
		if ids[i], err = uuid.Parse(item.Args.GetHoldId()); err != nil {
			item.Err = task.Permanent(errors.New("hold_id is not a UUID"))
		}
	}
	recorded, err := billing.RecordUsage(ctx, tx, ids)
	if err != nil {
		return fmt.Errorf("record usage of %d holds: %w", len(ids), err)
	}
	counted, using := map[uuid.UUID]bool{}, map[uuid.UUID]bool{}
	var used []uuid.UUID
	for i, item := range items {
		if item.Err != nil {
			continue
		}
		r, ok := recorded[ids[i]]
		switch {
		case !ok || item.Run.Tenant != r.Tenant: // another business's hold is as good as none
			item.Err = task.Permanent(fmt.Errorf("record usage of hold %s: %w", ids[i], billing.ErrHoldNotFound))
			continue
		case r.Fresh && !counted[ids[i]]:
			item.Result = &aifeatures.RecordUsageResult{Status: "recorded", CreditsUsed: r.Credits.String()}
		default:
			item.Result = &aifeatures.RecordUsageResult{Status: "already_recorded", CreditsUsed: r.Credits.String()}
		}
		counted[ids[i]] = true
		if r.Fresh && !using[r.Tenant] {
			using[r.Tenant] = true
			used = append(used, r.Tenant)
		}
	}
	if len(used) == 0 {
		return nil
	}
	_, err = a.alert(ctx, tx, used)
	return err
}

// alert raises the alerts that are due, of some businesses or, for nil, of all, and enqueues their mails.
func (a *AIFeatures) alert(ctx context.Context, tx *gorm.DB, only []uuid.UUID) (int, error) {
	raised, err := billing.RaiseAlerts(tx.WithContext(ctx), only)
	if err != nil {
		return 0, err
	}
	for _, r := range raised {
		_, err := a.Tasks.SendLowCreditAlert(ctx, tx, &aifeatures.SendLowCreditAlertArgs{BusinessId: r.Tenant.String(), AlertId: r.ID.String()}, task.ForTenant(r.Tenant))
		if err != nil {
			return 0, err
		}
	}
	return len(raised), nil
}
