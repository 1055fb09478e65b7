package tasks

import (
	"context"
	"fmt"
	"log/slog"

	"gorm.io/gorm"

	"makola/pkg/sales"
	salespb "makola/proto/makola/sales/v1"
)

// CleanupExpiredStockReservations forgets old reservations and cancels carts that were left standing, in all businesses.
// SHORT: in batches, never waiting for a cashier.
func (s *Sales) CleanupExpiredStockReservations(ctx context.Context, tx *gorm.DB, _ *salespb.CleanupExpiredStockReservationsArgs) (*salespb.CleanupExpiredStockReservationsResult, error) {
	c, err := sales.CleanUp(tx)
	if err != nil {
		return nil, fmt.Errorf("clean up reservations: %w", err)
	}
	if c.Drift > 0 {
		slog.WarnContext(ctx, "reservations disagree with their carts", "drift", c.Drift)
	}
	return &salespb.CleanupExpiredStockReservationsResult{Status: statusOf(c.More), Deleted: int32(c.Deleted), Cancelled: int32(c.Cancelled), Drift: int32(c.Drift)}, nil
}
