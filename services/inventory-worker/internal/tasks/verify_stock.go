package tasks

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/inventory"
	"makola/pkg/task"
	inventorypb "makola/proto/makola/inventory/v1"
)

// VerifyStock checks a business's stock against its movements and keeps what it found for operators.
// SHORT: reading alone, apart from the record of the day.
func (i *Inventory) VerifyStock(ctx context.Context, tx *gorm.DB, args *inventorypb.VerifyStockArgs) (*inventorypb.VerifyStockResult, error) {
	all, err := forAll(ctx, args.BusinessId)
	if err != nil {
		return nil, err
	}
	if all {
		n, err := task.Each(ctx, tx, i.Tasks.VerifyStock, func(business uuid.UUID) *inventorypb.VerifyStockArgs {
			id := business.String()
			return &inventorypb.VerifyStockArgs{BusinessId: &id}
		})
		return &inventorypb.VerifyStockResult{Status: fannedOut, Businesses: int32(n)}, err
	}
	ctx, tx, business, active, err := task.ForActiveBusiness(ctx, tx, args.GetBusinessId())
	if err != nil || !active {
		return &inventorypb.VerifyStockResult{Status: inactive}, err
	}
	c, err := inventory.RecordStockCheck(tx, business)
	if err != nil {
		return nil, fmt.Errorf("verify stock: %w", err)
	}
	result := &inventorypb.VerifyStockResult{Status: "ok", Levels: c.Levels, Movements: c.Movements, Faults: int32(c.Faults)}
	if c.Faults > 0 {
		result.Status = "drift"
		for _, f := range c.Details {
			slog.ErrorContext(ctx, "stock does not agree with its movements", "rule", f.Rule, "row", f.Row, "want", f.Want, "stored", f.Got, "faults", c.Faults)
		}
	}
	return result, nil
}
