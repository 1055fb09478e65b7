package tasks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"makola/pkg/postgres"
	"makola/pkg/reporting"
	"makola/pkg/storage"
	"makola/pkg/task"
	"makola/proto/contract"
	reportspb "makola/proto/makola/reports/v1"
)

const (
	// defaultDaysToKeep is what reports are told when they are made.
	defaultDaysToKeep = 30
	// orphanAge is how much older than any report's file one must be that no report names: the clocks of the database and of the file system need not agree.
	orphanAge = 24 * time.Hour
)

// CleanupOldExports deletes the files of reports whose time is over, and marks reports whose tasks ended without them.
// LONG: files are deleted first; a report whose file is gone and that does not say so yet is found again.
func (r *Reports) CleanupOldExports(ctx context.Context, _ contract.Run, args *reportspb.CleanupOldExportsArgs) (contract.Commit[*reportspb.CleanupOldExportsResult], error) {
	days := defaultDaysToKeep
	if args.DaysToKeep != nil {
		days = int(args.GetDaysToKeep())
	}
	if days < 1 || days > 365 {
		return nil, task.Permanent(errors.New("days_to_keep must be from 1 to 365"))
	}
	keep := time.Duration(days) * 24 * time.Hour
	res := &reportspb.CleanupOldExportsResult{Status: "completed"}
	err := r.DB.InSystem(ctx, func(tx *gorm.DB) (err error) {
		res.Settled, err = r.settle(ctx, tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	if r.Files != nil {
		if err := r.expire(ctx, keep, res); err != nil {
			return nil, err
		}
		orphans, err := r.Files.DeleteBefore(ctx, purpose, time.Now().Add(-max(keep, reporting.Keep)-orphanAge))
		if err != nil {
			return nil, fmt.Errorf("clean up exports: %w", err)
		}
		res.Orphans = orphans
	}
	return func(*gorm.DB) (*reportspb.CleanupOldExportsResult, error) { return res, nil }, nil
}

// expire deletes files and marks their reports, a batch at a time.
func (r *Reports) expire(ctx context.Context, keep time.Duration, res *reportspb.CleanupOldExportsResult) error {
	for {
		var list []reporting.Outdated
		err := r.DB.InSystem(ctx, func(tx *gorm.DB) (err error) {
			list, err = reporting.Expiring(tx, keep)
			return err
		})
		if err != nil || len(list) == 0 {
			return err
		}
		for _, o := range list {
			if err := r.Files.Delete(ctx, o.Key); err != nil && !errors.Is(err, storage.ErrNotFound) {
				return fmt.Errorf("clean up exports: %w", err)
			}
		}
		n, err := r.mark(ctx, list, reporting.Expire)
		if err != nil || n == 0 { // somebody else was faster
			return err
		}
		res.Expired += n
	}
}

func (r *Reports) mark(ctx context.Context, list []reporting.Outdated, how func(tx *gorm.DB, list []reporting.Outdated) (int64, error)) (n int64, err error) {
	err = r.DB.InSystem(ctx, func(tx *gorm.DB) error {
		if err := postgres.BindTenants(tx, reporting.Businesses(list)); err != nil {
			return err
		}
		n, err = how(tx, list)
		return err
	})
	return n, err
}
