package tasks

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/sales"
	"makola/pkg/task"
	salespb "makola/proto/makola/sales/v1"
)

// VerifyReceivables checks what a business's customers owe and keeps what it found for operators.
// SHORT: reading alone, apart from the record of the day.
func (s *Sales) VerifyReceivables(ctx context.Context, tx *gorm.DB, args *salespb.VerifyReceivablesArgs) (*salespb.VerifyReceivablesResult, error) {
	all, err := forAll(ctx, args.BusinessId)
	if err != nil {
		return nil, err
	}
	if all {
		n, err := task.Each(ctx, tx, s.Tasks.VerifyReceivables, func(business uuid.UUID) *salespb.VerifyReceivablesArgs {
			id := business.String()
			return &salespb.VerifyReceivablesArgs{BusinessId: &id}
		})
		return &salespb.VerifyReceivablesResult{Status: fannedOut, Businesses: int32(n)}, err
	}
	ctx, tx, business, active, err := task.ForActiveBusiness(ctx, tx, args.GetBusinessId())
	if err != nil || !active {
		return &salespb.VerifyReceivablesResult{Status: inactive}, err
	}
	c, err := sales.RecordDebtCheck(tx, business)
	if err != nil {
		return nil, fmt.Errorf("verify receivables: %w", err)
	}
	result := &salespb.VerifyReceivablesResult{Status: "ok", Customers: c.Customers, Faults: int32(c.Faults)}
	if c.Faults > 0 {
		result.Status = "drift"
		for _, f := range c.Details {
			slog.ErrorContext(ctx, "what customers owe does not agree", "rule", f.Rule, "row", f.Row, "want", f.Want, "stored", f.Got, "faults", c.Faults)
		}
	}
	return result, nil
}
