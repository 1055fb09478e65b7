package tasks

import (
	"context"
	"errors"
	"fmt"

	"gorm.io/gorm"

	"makola/pkg/reporting"
	"makola/pkg/task"
	"makola/pkg/tenant"
	reportspb "makola/proto/makola/reports/v1"
)

// defaultRetries is what the Django application does.
const defaultRetries = 3

// RetryFailedExports starts once more what has failed and not succeeded since.
// SHORT: a few statements, however many schedules there are.
func (r *Reports) RetryFailedExports(ctx context.Context, tx *gorm.DB, args *reportspb.RetryFailedExportsArgs) (*reportspb.RetryFailedExportsResult, error) {
	if err := platformOnly(ctx); err != nil {
		return nil, err
	}
	most := defaultRetries
	if args.MaxRetries != nil {
		most = int(args.GetMaxRetries())
	}
	if most < 1 || most > reporting.MaxRetries {
		return nil, task.Permanent(fmt.Errorf("max_retries must be from 1 to %d", reporting.MaxRetries))
	}
	found, started, err := reporting.RetryFailed(ctx, tx, r.Tasks, most)
	if err != nil {
		return nil, fmt.Errorf("retry failed exports: %w", err)
	}
	return &reportspb.RetryFailedExportsResult{Status: "completed", Found: int64(found), Retried: int64(started)}, nil
}

// platformOnly refuses a task that works for all businesses to one of them.
func platformOnly(ctx context.Context) error {
	if _, bound := tenant.From(ctx); bound {
		return task.Permanent(errors.New("this task works for all businesses, and may not belong to one"))
	}
	return nil
}
