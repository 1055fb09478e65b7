package tasks

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/inventory"
	"makola/pkg/task"
	inventorypb "makola/proto/makola/inventory/v1"
)

// CheckStockLevels opens and ends a business's alerts about low stock.
// SHORT: at most three statements, however many products there are.
func (i *Inventory) CheckStockLevels(ctx context.Context, tx *gorm.DB, args *inventorypb.CheckStockLevelsArgs) (*inventorypb.CheckStockLevelsResult, error) {
	all, err := forAll(ctx, args.BusinessId)
	if err != nil {
		return nil, err
	}
	if all {
		n, err := task.Each(ctx, tx, i.Tasks.CheckStockLevels, func(business uuid.UUID) *inventorypb.CheckStockLevelsArgs {
			id := business.String()
			return &inventorypb.CheckStockLevelsArgs{BusinessId: &id}
		})
		return &inventorypb.CheckStockLevelsResult{Status: fannedOut, Businesses: int32(n)}, err
	}
	_, tx, _, active, err := task.ForActiveBusiness(ctx, tx, args.GetBusinessId())
	if err != nil || !active {
		return &inventorypb.CheckStockLevelsResult{Status: inactive}, err
	}
	opened, ended, err := inventory.RefreshAlerts(listening(tx, i.Webhooks), nil) //nolint:contextcheck // the transaction has it
	if err != nil {
		return nil, fmt.Errorf("check stock levels: %w", err)
	}
	return &inventorypb.CheckStockLevelsResult{Status: "done", Opened: int32(opened), Resolved: int32(ended)}, nil
}
