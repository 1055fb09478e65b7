package tasks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
	"gorm.io/gorm"

	"makola/pkg/postgres"
	"makola/pkg/problem"
	"makola/pkg/reporting"
	"makola/pkg/storage"
	"makola/pkg/task"
	"makola/pkg/tenant"
	"makola/proto/contract"
)

const (
	// purpose is the folder of the files.
	purpose = "reports"
	// maxBytes bounds a file: a CSV of ten million sales has less.
	maxBytes = 4 << 30
	// failTime bounds the writing down of a failure, also when the task's own time is over.
	failTime = 5 * time.Second
	// turnWait is after how long a report whose turn it is not looks again, if none that ends makes way for it before.
	turnWait = 10 * time.Second
)

// classed is an error of which is known what it means for the report.
type classed struct {
	error
	why reporting.Failure
}

// Unwrap returns the error itself.
func (c classed) Unwrap() error { return c.error }

// errTurn puts a report off whose turn it is not. It has not failed, whatever the number of its attempts.
var errTurn = task.Waiting(reporting.WaitingForTurn, turnWait)

// wanted is a report as a task's arguments ask for it.
type wanted struct {
	reporting.Wish
	business         string
	user             string
	includeZeroStock bool
}

// result is what all tasks that make reports answer with.
type result struct {
	status, url, fileName, format, id string
	records, sales, payments          int64
}

func resultOf(r *reporting.Report) result {
	return result{
		status: "completed", url: reporting.DownloadPath(r.ID), fileName: r.File.Name, format: string(r.Format), id: r.ID.String(),
		records: r.RecordCount, sales: r.SalesCount, payments: r.Payments,
	}
}

// job is one report to be made: where it comes from, and who is told what becomes of it.
type job struct {
	business uuid.UUID
	// begin returns the report.
	begin func(tx *gorm.DB) (*reporting.Report, error)
	// ready and failed tell of its file, or that there will be none, in the transaction that says so.
	ready  func(ctx context.Context, tx *gorm.DB, report *reporting.Report, took time.Duration) error
	failed func(ctx context.Context, tx *gorm.DB, report *reporting.Report, why reporting.Failure) error
}

// make makes a report that somebody asked for.
func (r *Reports) make(ctx context.Context, run contract.Run, w wanted) (func(tx *gorm.DB) (result, error), error) {
	business, err := businessOf(run, w.business)
	if err != nil {
		return nil, err
	}
	return r.produce(ctx, run, job{
		business: business,
		begin:    func(tx *gorm.DB) (*reporting.Report, error) { return begin(tx, run, w) },
		ready: func(ctx context.Context, tx *gorm.DB, report *reporting.Report, _ time.Duration) error {
			return r.tellReady(ctx, tx, business, report)
		},
		failed: func(ctx context.Context, tx *gorm.DB, report *reporting.Report, _ reporting.Failure) error {
			return r.tellFailed(ctx, tx, business, report)
		},
	})
}

// produce writes the file without a transaction that could wait for it, and returns the function that says so. A report that fails for good is marked, and told of.
func (r *Reports) produce(ctx context.Context, run contract.Run, j job) (func(tx *gorm.DB) (result, error), error) {
	ctx = tenant.With(ctx, j.business)
	commit, final, err := r.attempt(ctx, run, j)
	if err != nil && !errors.Is(err, errTurn) && (final || run.Attempt >= run.MaxAttempts) && !errors.Is(ctx.Err(), context.Canceled) { // a cancelled one has not failed
		r.fail(ctx, run.ID, j, err)
	}
	if final {
		err = task.Permanent(err)
	}
	return commit, err
}

// businessOf reads the business that the arguments name. A task of a business works for that one and for no other.
func businessOf(run contract.Run, text string) (uuid.UUID, error) {
	id, err := uuid.Parse(text)
	switch {
	case err != nil:
		return id, task.Permanent(errors.New("business_id is not a UUID"))
	case run.Tenant != uuid.Nil && run.Tenant != id:
		return id, task.Permanent(errors.New("business_id is not the task's business"))
	}
	return id, nil
}

// attempt tries once. final is set for an error that no further attempt can mend.
func (r *Reports) attempt(ctx context.Context, run contract.Run, j job) (commit func(tx *gorm.DB) (result, error), final bool, err error) {
	begun := time.Now()
	var report *reporting.Report
	active, turn := false, false
	err = r.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		if active, err = task.TenantActive(ctx, tx); err != nil || !active {
			return err
		}
		if report, err = j.begin(tx); err != nil || !report.Open() {
			return err
		}
		turn, err = reporting.Turn(tx, report)
		return err
	})
	switch _, fault := errors.AsType[*problem.Error](err); {
	case errors.Is(err, reporting.ErrCreatorGone), errors.Is(err, reporting.ErrScheduleGone):
		return nil, true, err
	case fault:
		return nil, true, classed{reporting.Describe(err), reporting.FailedInvalid}
	case err != nil:
		return nil, false, fmt.Errorf("begin report: %w", err)
	case !active:
		return func(*gorm.DB) (result, error) { return result{status: "inactive"}, nil }, false, nil
	}
	switch report.Status {
	case reporting.Completed, reporting.Emailed:
		return func(*gorm.DB) (result, error) { return resultOf(report), nil }, false, nil
	case reporting.Cancelled, reporting.Expired:
		return nil, true, reporting.ErrOver
	case reporting.Pending, reporting.Processing, reporting.Failed: // a failed one was asked for anew by an operator
	}
	if !turn {
		return nil, false, errTurn
	}
	db, err := r.source(ctx, run)
	if err != nil {
		return nil, false, err
	}
	key := storage.Key(purpose, j.business, uuid.Must(uuid.NewV7()), begun)
	made, written, err := r.write(ctx, db, key, report.Order, run.Progress)
	switch {
	case errors.Is(err, storage.ErrNone), errors.Is(err, storage.ErrTooLarge):
		return nil, true, err
	case err != nil:
		return nil, false, err
	}
	took := time.Since(begun)
	return func(tx *gorm.DB) (result, error) {
		res, err := r.finish(ctx, tx, report, j, made, key, written, took)
		if errors.Is(err, reporting.ErrOver) {
			r.drop(ctx, key)
			err = task.Permanent(err)
		}
		return res, err
	}, false, nil
}

func begin(tx *gorm.DB, run contract.Run, w wanted) (*reporting.Report, error) {
	o, err := reporting.Read(tx, w.Wish, time.Now())
	if err != nil {
		return nil, err
	}
	if o.IncludeZeroStock = w.includeZeroStock; w.user != "" {
		if o.User, err = uuid.Parse(w.user); err != nil {
			return nil, task.Permanent(errors.New("user_id is not a UUID"))
		}
	}
	return reporting.Begin(tx, run.ID, o)
}

// source is where a report is read from. Whatever the first attempt failed of, such as a replica that cancels long queries, the next ones read the primary.
func (r *Reports) source(ctx context.Context, run contract.Run) (*postgres.DB, error) {
	if run.Attempt > 1 {
		return r.DB, nil
	}
	return reporting.Databases{Primary: r.DB, Read: r.Read}.Current(ctx)
}

// write writes the report into a file, row by row. There is none after an error.
func (r *Reports) write(ctx context.Context, db *postgres.DB, key string, o reporting.Order, progress func(done, total int64, note string)) (made reporting.Made, written storage.Written, err error) {
	if r.Files == nil {
		return made, written, storage.ErrNone
	}
	from, to := io.Pipe()
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		if made, err = reporting.Write(gctx, db, to, o, progress); err != nil {
			err = classed{err, reporting.FailedInternal} // the other side reads it, and is not to blame
		}
		_ = to.CloseWithError(err) // nil is the end of the file; never fails
		return err
	})
	g.Go(func() (err error) {
		if written, err = r.Files.Put(gctx, key, from, maxBytes); err != nil && failure(err) == reporting.FailedInternal {
			if _, known := errors.AsType[classed](err); !known {
				err = classed{err, reporting.FailedStorage}
			}
		}
		_ = from.CloseWithError(err) // or the writer would wait for ever
		return err
	})
	if err = g.Wait(); err == nil && ctx.Err() == nil {
		return made, written, nil
	}
	r.drop(ctx, key)
	if ctx.Err() != nil {
		return made, written, context.Cause(ctx)
	}
	return made, written, err
}

// drop deletes a file that no report will name. One that stays is swept when it is old.
func (r *Reports) drop(ctx context.Context, key string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), failTime)
	defer cancel()
	if err := r.Files.Delete(ctx, key); err != nil {
		slog.WarnContext(ctx, "file of an unfinished report not deleted", "error", err)
	}
}

// fail marks the report as failed and tells of it. That is best effort: the task's own end says the same to whoever looks.
func (r *Reports) fail(ctx context.Context, id uuid.UUID, j job, cause error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), failTime)
	defer cancel()
	err := r.DB.InTenant(ctx, func(tx *gorm.DB) error {
		report, err := reporting.ByTask(tx, id)
		if errors.Is(err, reporting.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		why := failure(cause)
		news, err := reporting.Fail(tx, report.ID, why, cause.Error())
		if err != nil || !news {
			return err
		}
		if err := reporting.PassTurn(tx); err != nil {
			return err
		}
		return j.failed(ctx, tx, report, why)
	})
	if err != nil {
		slog.WarnContext(ctx, "failure of a report not recorded", "error", err)
	}
}

// failure is the class of an error.
func failure(err error) reporting.Failure {
	c, known := errors.AsType[classed](err)
	switch {
	case errors.Is(err, reporting.ErrCreatorGone):
		return reporting.FailedCreatorGone
	case errors.Is(err, reporting.ErrScheduleGone):
		return reporting.FailedNoSchedule
	case errors.Is(err, storage.ErrTooLarge):
		return reporting.FailedTooLarge
	case errors.Is(err, storage.ErrNone):
		return reporting.FailedStorage
	case errors.Is(err, context.DeadlineExceeded):
		return reporting.FailedTimeout
	case known:
		return c.why
	}
	return reporting.FailedInternal
}
