package reporting

import (
	"context"
	"fmt"
	"io"
	"time"

	"gorm.io/gorm"

	"makola/pkg/document"
	"makola/pkg/postgres"
)

// queryTime bounds one query of a report, which lasts as long as its rows are written.
const queryTime = 20 * time.Minute

// Made is what Write has written.
type Made struct {
	// FileName is what the file is called, such as sales_2026-11-01_2026-11-30_20261130_181500.pdf.
	FileName string
	// Records is how many rows of detail the report is of, also when a PDF shows fewer. Sales and Payments are what of them is which, where that is told.
	Records, Sales, Payments int64
}

// Write writes the report to w, from one snapshot of the business of ctx. progress may be nil; it is told after some rows. What was written before an error is no
// document. Errors: whatever w or the database says.
func Write(ctx context.Context, db *postgres.DB, w io.Writer, o Order, progress func(done, total int64, note string)) (m Made, err error) {
	err = db.InSnapshot(ctx, queryTime, func(tx *gorm.DB) error {
		s, err := newSource(tx, o, progress)
		if err != nil {
			return err
		}
		var doc *document.Report
		switch o.Kind {
		case Sales:
			doc, m, err = s.sales()
		case Inventory:
			doc, m, err = s.inventory()
		case Customers:
			doc, m, err = s.customers()
		case Transactions:
			doc, m, err = s.transactions()
		case AuditLogs:
			doc, m, err = s.auditLogs()
		default:
			err = fmt.Errorf("report of kind %q is unknown", o.Kind)
		}
		if err != nil {
			return err
		}
		m.FileName = o.fileName(s.shop.now.In(s.shop.zone))
		switch o.Format {
		case PDF:
			return document.WritePDF(w, doc)
		case Excel:
			return document.WriteXLSX(w, doc)
		case CSV:
			return document.WriteCSV(w, doc)
		default:
			return fmt.Errorf("report in format %q is unknown", o.Format)
		}
	})
	if err != nil {
		return Made{}, fmt.Errorf("write %s report: %w", o.Kind, err)
	}
	return m, nil
}

// fileName names the file by kind, period and the local time.
func (o Order) fileName(now time.Time) string {
	name := string(o.Kind)
	if !o.Period.From.IsZero() {
		name += "_" + o.Period.From.Format(time.DateOnly) + "_" + o.Period.To.Format(time.DateOnly)
	}
	return name + "_" + now.Format("20060102_150405") + "." + o.Format.Extension()
}
