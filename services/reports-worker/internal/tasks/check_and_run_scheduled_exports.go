package tasks

import (
	"context"
	"fmt"

	"gorm.io/gorm"

	"makola/pkg/reporting"
	reportspb "makola/proto/makola/reports/v1"
)

// CheckAndRunScheduledExports starts every export schedule that has fallen due, and tells of reports whose tasks have ended without them.
// SHORT: five statements for each five hundred schedules, a dozen for each report that was given up, and one commit for all.
func (r *Reports) CheckAndRunScheduledExports(ctx context.Context, tx *gorm.DB, _ *reportspb.CheckAndRunScheduledExportsArgs) (*reportspb.CheckAndRunScheduledExportsResult, error) {
	if err := platformOnly(ctx); err != nil {
		return nil, err
	}
	if _, err := r.settle(ctx, tx); err != nil {
		return nil, fmt.Errorf("settle reports: %w", err)
	}
	due, err := reporting.RunDue(ctx, tx, r.Tasks)
	if err != nil {
		return nil, fmt.Errorf("run scheduled exports: %w", err)
	}
	return &reportspb.CheckAndRunScheduledExportsResult{Status: "completed", TotalFound: int64(due.Found), Enqueued: int64(due.Started), Skipped: int64(due.Skipped)}, nil
}
