package tasks

import (
	"context"
	"fmt"

	"gorm.io/gorm"

	"makola/pkg/sales"
	salespb "makola/proto/makola/sales/v1"
)

// statusOf says whether a sweep's run ended at its bound.
func statusOf(more bool) string {
	if more {
		return "more"
	}
	return "done"
}

// ReleaseExpiredReservations gives back stock that carts set aside too long ago, in all businesses.
// SHORT: in batches, never waiting for a cashier.
func (s *Sales) ReleaseExpiredReservations(_ context.Context, tx *gorm.DB, _ *salespb.ReleaseExpiredReservationsArgs) (*salespb.ReleaseExpiredReservationsResult, error) {
	r, err := sales.ReleaseExpired(tx)
	if err != nil {
		return nil, fmt.Errorf("release expired reservations: %w", err)
	}
	return &salespb.ReleaseExpiredReservationsResult{Status: statusOf(r.More), Released: int32(r.Reservations), Carts: int32(r.Carts)}, nil
}
