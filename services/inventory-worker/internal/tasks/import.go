package tasks

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/imports"
	"makola/pkg/notifications"
	"makola/pkg/postgres"
	"makola/pkg/storage"
	"makola/pkg/tabular"
	"makola/pkg/task"
	"makola/pkg/tenant"
	"makola/proto/contract"
)

// Imports is what the tasks that import share. It is safe for concurrent use.
type Imports struct {
	DB    *postgres.DB
	Files *storage.Files
	// Bell rings for people who watch their notices.
	Bell *task.Queue
}

// imported is what became of an import, for a task's result.
type imported struct {
	status                         string
	rows, created, updated, faults int64
}

func importedOf(i *imports.Import) imported {
	return imported{strings.ToLower(string(i.Status)), i.Rows, i.Created, i.Updated, i.Faults}
}

// errNoImport reports arguments that name no import of this kind in this business.
var errNoImport = task.Permanent(errors.New("import_id names no import of this kind"))

// runImport checks a file, and returns the function that writes it. prepare makes the kind's sink, with tx bound to the business.
func runImport[R any](ctx context.Context, s *Imports, run contract.Run, kind imports.Kind, importID string, prepare func(tx *gorm.DB, i *imports.Import) (imports.Sink[R], error),
) (func(tx *gorm.DB) (imported, error), error) {
	id, err := uuid.Parse(importID)
	if err != nil {
		return nil, task.Permanent(errors.New("import_id is not a UUID"))
	}
	if _, ok := tenant.From(ctx); !ok {
		return nil, task.Permanent(errors.New("an import is a business's; import_id was given to a task of none"))
	}
	var i *imports.Import
	var sink imports.Sink[R]
	active := false
	err = s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		if i, err = imports.ByID(tx, id); err != nil || i.Kind != kind {
			return errors.Join(err, errNoImport)
		}
		if active, err = task.TenantActive(ctx, tx); err != nil {
			return err
		}
		sink, err = prepare(tx, i)
		return err
	})
	switch {
	case errors.Is(err, errNoImport):
		return nil, errNoImport
	case err != nil:
		return nil, fmt.Errorf("read import: %w", err)
	case i.Status != imports.Pending:
		return func(*gorm.DB) (imported, error) { return importedOf(i), nil }, nil
	case !active:
		out := &imports.Outcome{Faults: 1, Kept: []*tabular.Error{{Reason: "the business is closed"}}}
		return s.finish(ctx, i, func(context.Context, *gorm.DB) (imports.Status, *imports.Outcome, error) { return imports.Rejected, out, nil }), nil
	}
	job := &imports.Job[R]{
		Size: i.FileSize, Name: i.FileName, Sink: sink, Progress: run.Progress,
		In: func(ctx context.Context, fn func(tx *gorm.DB) error) error { return s.DB.InTenant(ctx, fn) },
	}
	file, err := s.Files.Open(ctx, i.FileKey)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, task.Permanent(errors.New("the imported file is gone"))
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	job.File = file
	out, err := job.Check(ctx)
	if err != nil {
		return nil, err
	}
	return s.finish(ctx, i, func(ctx context.Context, tx *gorm.DB) (imports.Status, *imports.Outcome, error) {
		switch {
		case job.Good() == 0, out.Faults > 0 && i.OnError == imports.Abort:
			return imports.Rejected, out, nil
		case i.DryRun:
			return imports.Checked, out, nil
		}
		// The file of a disk is opened again and not held meanwhile: this function need not be called.
		file, err := s.Files.Open(ctx, i.FileKey)
		if err != nil {
			return "", nil, err
		}
		defer file.Close()
		job.File = file
		out, err := job.Write(ctx, tx)
		return imports.Completed, out, err
	}), nil
}

// finish makes the function that ends an import in the transaction that ends its task, unless it has ended before. ctx is the handler's: it ends when somebody cancels.
func (s *Imports) finish(ctx context.Context, i *imports.Import, write func(context.Context, *gorm.DB) (imports.Status, *imports.Outcome, error)) func(tx *gorm.DB) (imported, error) {
	return func(tx *gorm.DB) (imported, error) {
		now, err := imports.Lock(tx, i.ID)
		if err != nil {
			return imported{}, err
		}
		if now.Status != imports.Pending {
			return importedOf(now), nil
		}
		status, out, err := write(ctx, tx)
		if err != nil {
			return imported{}, err
		}
		if err := imports.Finish(tx, now, status, out); err != nil {
			return imported{}, err
		}
		now, err = imports.ByID(tx, i.ID)
		if err != nil {
			return imported{}, err
		}
		if _, err := notifications.Post(tx, s.Bell, []notifications.Notice{noticeOf(tx, now)}); err != nil {
			return imported{}, err
		}
		return importedOf(now), nil
	}
}

// noticeOf is what whoever uploaded the file is told.
func noticeOf(tx *gorm.DB, i *imports.Import) notifications.Notice {
	owner, _ := tenant.From(tx.Statement.Context)
	n := notifications.Notice{
		Tenant: owner, User: i.CreatedBy, Kind: notifications.KindImportDone, Priority: notifications.Low, Link: "/imports/" + i.ID.String(), Key: "import:" + i.ID.String(),
		Data: map[string]any{"import_id": i.ID, "kind": i.Kind, "status": i.Status, "rows": i.Rows, "created": i.Created, "updated": i.Updated, "skipped": i.Skipped, "faults": i.Faults},
	}
	switch i.Status {
	case imports.Completed:
		n.Title = "Your file was imported"
		n.Body = fmt.Sprintf("%d rows: %d new, %d changed, %d left out.", i.Rows, i.Created, i.Updated, i.Skipped)
		if i.Skipped > 0 {
			n.Priority = notifications.Medium
		}
	case imports.Checked:
		n.Title = "Your file was checked"
		n.Body = fmt.Sprintf("%d rows, %d faults. Nothing was imported yet.", i.Rows, i.Faults)
	case imports.Rejected, imports.Pending:
		n.Kind, n.Priority = notifications.KindImportFailed, notifications.Medium
		n.Title = "Your file was not imported"
		n.Body = fmt.Sprintf("%d faults were found in %d rows. Nothing was changed.", i.Faults, i.Rows)
	}
	return n
}
