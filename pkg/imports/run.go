package imports

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"gorm.io/gorm"

	"makola/pkg/tabular"
)

const (
	// MaxRows is the most rows one import brings. All are written by one transaction, which holds its locks for as long as it takes: 200,000 lines of opening stock took
	// the time that docs/benchmarks.md says. Whoever has more has several files.
	MaxRows = 200_000
	// MaxFaults is how many faults of one import are kept; the others are counted. Whoever has more has the same mistake in every line.
	MaxFaults = 1_000
	// batch is how many rows one statement checks or writes.
	batch = 5_000
)

// Sink is one kind of import: what its columns are, and how its rows are read, checked and written. It is used by one goroutine, for one file: first Check for every row,
// then Begin, Write for the rows that are good, and End, in one transaction.
type Sink[R any] interface {
	// Fields are the columns.
	Fields() []tabular.Field
	// Read makes a row of the file one of the kind's, without looking at the database. It keeps nothing of row's cells.
	Read(row tabular.Row) (R, []*tabular.Error)
	// Check finds what is wrong with rows that could be read, in the database and with those before them. It writes nothing.
	Check(tx *gorm.DB, rows []R) ([]*tabular.Error, error)
	// Begin locks and makes what the rows need.
	Begin(tx *gorm.DB) error
	// Write writes rows that were checked. That they cannot be written any more, because somebody changed what they were checked against, is an error: nothing may be
	// committed then, and checking again finds out more.
	Write(tx *gorm.DB, rows []R) (created, updated int64, err error)
	// End does what is done once for all rows.
	End(tx *gorm.DB) error
}

// Outcome is what became of a file.
type Outcome struct {
	// Format says how the file was read.
	Format string
	// Ignored are the titles of columns that the kind does not know.
	Ignored []string
	// Rows is how many the file has, Skipped how many of them were left out for their faults.
	Rows, Skipped, Created, Updated int64
	// Faults is how many were found; Kept are the first of them, by line.
	Faults int64
	Kept   []*tabular.Error
	// Broken is true when the file could not be read to its end, so that not even its good rows are to be written.
	Broken bool
}

// Job is one file on its way. Max narrows MaxRows.
type Job[R any] struct {
	File io.ReaderAt
	Size int64
	Name string
	Max  int
	Sink Sink[R]
	// In runs fn in a short transaction of the business.
	In func(ctx context.Context, fn func(tx *gorm.DB) error) error
	// Progress is told how far it is.
	Progress func(done, total int64, note string)

	out Outcome
	bad map[int]struct{} // the lines with faults
}

// open begins a pass.
func (j *Job[R]) open() (*tabular.Table, error) {
	most := MaxRows
	if j.Max > 0 {
		most = min(most, j.Max)
	}
	table, err := tabular.Open(j.File, j.Size, j.Name, tabular.Options{MaxRows: most})
	if err != nil {
		return nil, err
	}
	if j.out.Ignored, err = table.Match(j.Sink.Fields()...); err != nil {
		return nil, errors.Join(err, table.Close())
	}
	j.out.Format = string(table.Format) + ", " + table.Details
	return table, nil
}

// fault keeps one fault, or counts it.
func (j *Job[R]) fault(faults ...*tabular.Error) {
	for _, f := range faults {
		j.out.Faults++
		j.bad[f.Line] = struct{}{}
		switch {
		case len(j.out.Kept) < MaxFaults:
			j.out.Kept = append(j.out.Kept, f)
		case f.Fatal: // it says why even the good rows are not imported
			j.out.Kept[MaxFaults-1] = f
		}
	}
}

// broken records what keeps the whole file from being used. Any other error is not the file's.
func (j *Job[R]) broken(err error) error {
	var header *tabular.HeaderError
	if errors.As(err, &header) {
		for _, name := range header.Missing {
			j.fault(&tabular.Error{Line: header.Line, Column: name, Reason: "this column is missing"})
		}
		for _, name := range header.Duplicate {
			j.fault(&tabular.Error{Line: header.Line, Column: name, Reason: "this column is given twice"})
		}
		j.out.Broken = true
		return nil
	}
	if e, ok := errors.AsType[*tabular.Error](err); ok {
		j.fault(e)
		j.out.Broken = true
		return nil
	}
	return err
}

// Check is the first pass: every row, and nothing is written. An error is not about the file.
func (j *Job[R]) Check(ctx context.Context) (*Outcome, error) {
	j.out, j.bad = Outcome{}, map[int]struct{}{}
	table, err := j.open()
	if err != nil {
		if err := j.broken(err); err != nil {
			return nil, fmt.Errorf("open imported file: %w", err)
		}
		return &j.out, nil
	}
	defer table.Close()
	rows := make([]R, 0, batch)
	check := func() error {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if len(rows) == 0 {
			return nil
		}
		err := j.In(ctx, func(tx *gorm.DB) error {
			faults, err := j.Sink.Check(tx, rows)
			j.fault(faults...)
			return err
		})
		clear(rows) // what a row points to is not to outlive its batch
		rows = rows[:0]
		j.Progress(j.out.Rows, 0, "checking")
		return err
	}
	for row, err := range table.Rows() {
		if err != nil {
			e, ok := errors.AsType[*tabular.Error](err)
			if !ok {
				return nil, fmt.Errorf("read imported file: %w", err)
			}
			j.fault(e)
			if e.Fatal {
				j.out.Broken = true
				break
			}
			j.out.Rows++
			continue
		}
		j.out.Rows++
		r, faults := j.Sink.Read(row)
		if j.fault(faults...); len(faults) > 0 {
			continue
		}
		if rows = append(rows, r); len(rows) == batch {
			if err := check(); err != nil {
				return nil, fmt.Errorf("check imported rows: %w", err)
			}
		}
	}
	if err := check(); err != nil {
		return nil, fmt.Errorf("check imported rows: %w", err)
	}
	if j.out.Rows == 0 && !j.out.Broken {
		j.fault(&tabular.Error{Reason: "there are no rows below the header"})
		j.out.Broken = true
	}
	// Faults of batches come behind those of reading. People want the first line first, and before it what is wrong with the file as a whole.
	slices.SortStableFunc(j.out.Kept, func(a, b *tabular.Error) int {
		if a.Fatal != b.Fatal {
			return map[bool]int{true: -1, false: 1}[a.Fatal]
		}
		return a.Line - b.Line
	})
	return &j.out, nil
}

// Good is how many rows can be written after Check.
func (j *Job[R]) Good() int64 {
	if j.out.Broken {
		return 0
	}
	return j.out.Rows - int64(len(j.bad))
}

// Write is the second pass: the rows without faults, in tx. ctx ends it between two batches. After an error tx must not be committed.
func (j *Job[R]) Write(ctx context.Context, tx *gorm.DB) (*Outcome, error) {
	table, err := j.open()
	if err != nil {
		return nil, fmt.Errorf("open imported file again: %w", err)
	}
	defer table.Close()
	if err := j.Sink.Begin(tx); err != nil {
		return nil, fmt.Errorf("begin import: %w", err)
	}
	good := j.Good()
	rows := make([]R, 0, batch)
	var written int64
	write := func() error {
		if err := context.Cause(ctx); err != nil || len(rows) == 0 {
			return err
		}
		created, updated, err := j.Sink.Write(tx, rows)
		j.out.Created, j.out.Updated, written = j.out.Created+created, j.out.Updated+updated, written+int64(len(rows))
		clear(rows)
		rows = rows[:0]
		j.Progress(good+written, 2*good, "writing")
		return err
	}
	for row, err := range table.Rows() {
		if _, bad := j.bad[row.Line]; bad {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read imported file again: %w", err)
		}
		r, faults := j.Sink.Read(row)
		if len(faults) > 0 {
			return nil, fmt.Errorf("read line %d again: %w", row.Line, faults[0])
		}
		if rows = append(rows, r); len(rows) == batch {
			if err := write(); err != nil {
				return nil, fmt.Errorf("write imported rows: %w", err)
			}
		}
	}
	if err := write(); err != nil {
		return nil, fmt.Errorf("write imported rows: %w", err)
	}
	if err := j.Sink.End(tx); err != nil {
		return nil, fmt.Errorf("end import: %w", err)
	}
	j.out.Skipped = j.out.Rows - written
	return &j.out, nil
}
