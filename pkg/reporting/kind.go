package reporting

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"makola/pkg/problem"
)

// Kind is what a report is about.
type Kind string

// The kinds of reports.
const (
	Sales        Kind = "sales"
	Inventory    Kind = "inventory"
	Customers    Kind = "customers"
	Transactions Kind = "transactions"
	AuditLogs    Kind = "audit_logs"
)

// Kinds returns all kinds.
func Kinds() []Kind { return []Kind{Sales, Inventory, Customers, Transactions, AuditLogs} }

// Format is what a report is written as.
type Format string

// The formats, by the names that the Django application has for them.
const (
	PDF   Format = "pdf"
	Excel Format = "excel"
	CSV   Format = "csv"
)

// Extension is that of a file of the format.
func (f Format) Extension() string {
	if f == Excel {
		return "xlsx"
	}
	return string(f)
}

// ContentType is the media type of a file of the format.
func (f Format) ContentType() string {
	switch f {
	case PDF:
		return "application/pdf"
	case Excel:
		return "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
	case CSV:
		return "text/csv; charset=utf-8"
	default:
		return "application/octet-stream"
	}
}

// formats are what each kind can be written as, the default first. Read only.
var formats = map[Kind][]Format{
	Sales: {PDF, Excel, CSV}, Inventory: {Excel, PDF, CSV}, Customers: {CSV, Excel, PDF}, Transactions: {Excel}, AuditLogs: {Excel, CSV, PDF},
}

// Formats returns what reports of the kind can be written as, the default first.
func (k Kind) Formats() []Format { return slices.Clone(formats[k]) }

// dated reports whether reports of the kind are of a period.
func (k Kind) dated() bool { return k == Sales || k == Transactions || k == AuditLogs }

// Title is what stands at the head of a report.
func (k Kind) Title() string {
	switch k {
	case Sales:
		return "Sales Report"
	case Inventory:
		return "Inventory Report"
	case Customers:
		return "Customers"
	case Transactions:
		return "Transactions"
	case AuditLogs:
		return "Audit Log"
	default:
		return string(k)
	}
}

// format reads one that the kind has; empty is its default.
func (k Kind) format(text string) (Format, error) {
	can := formats[k]
	if text == "" && len(can) > 0 {
		return can[0], nil
	}
	if f := Format(text); slices.Contains(can, f) {
		return f, nil
	}
	names := make([]string, len(can))
	for i, f := range can {
		names[i] = string(f)
	}
	return "", fault("format", "unknown", "must be one of "+strings.Join(names, ", "))
}

// fault is one member of a request that is wrong.
func fault(field, code, message string) error {
	return problem.New(problem.Invalid, "", "", problem.FieldError{Pointer: "/" + field, Field: field, Code: code, Message: message})
}

// Describe says the faults of a wish in words, for a task, whose error has no list of them. It returns other errors as they are.
func Describe(err error) error {
	e, ok := errors.AsType[*problem.Error](err)
	if !ok || len(e.Fields) == 0 {
		return err
	}
	return fmt.Errorf("%s %s", e.Fields[0].Field, e.Fields[0].Message)
}
