package notifications

import (
	"time"

	"github.com/google/uuid"
)

// ReportReady tells whoever asked for a report that its file can be had.
type ReportReady struct {
	// Name is what the recipient is called.
	Name string `json:"name"`
	// Business is the business whose report it is.
	Business string `json:"business"`
	// Title is what the report is called and Period what it is of, in words; Period may be empty.
	Title  string `json:"title"`
	Period string `json:"period,omitempty"`
	// FileName is what the file is called, SizeBytes how large it is, and Rows how many rows it has.
	FileName  string `json:"file_name"`
	SizeBytes int64  `json:"size_bytes"`
	Rows      int64  `json:"rows"`
	// ExpiresAt is when the file is deleted.
	ExpiresAt time.Time `json:"expires_at"`
	// Timezone is the business's, an IANA name.
	Timezone string `json:"timezone"`
}

// Template returns "report_ready".
func (ReportReady) Template() string { return "report_ready" }

// ReportFailed tells whoever asked for a report that there will be none.
type ReportFailed struct {
	// Name, Business, Title and Period are as in ReportReady.
	Name     string `json:"name"`
	Business string `json:"business"`
	Title    string `json:"title"`
	Period   string `json:"period,omitempty"`
}

// Template returns "report_failed".
func (ReportFailed) Template() string { return "report_failed" }

// ExportReady brings what an export schedule has made: the file is attached, or else there is a link to it.
type ExportReady struct {
	// Name is what the recipient is called; empty for somebody who is no member.
	Name string `json:"name,omitempty"`
	// Business, Title and Period are as in ReportReady; Schedule is what the business calls the schedule.
	Business string `json:"business"`
	Schedule string `json:"schedule"`
	Title    string `json:"title"`
	Period   string `json:"period,omitempty"`
	// Subject and Message are the business's own words; empty ones are ours.
	Subject string `json:"subject,omitempty"`
	Message string `json:"message,omitempty"`
	// FileName, SizeBytes and Rows are as in ReportReady, and Seconds is how long it took to make.
	FileName  string `json:"file_name"`
	SizeBytes int64  `json:"size_bytes"`
	Rows      int64  `json:"rows"`
	Seconds   int64  `json:"seconds"`
	// Attached says that the file goes with the mail. Otherwise Link leads to it, which the notifier adds when it words the mail: to Path of the gateway's address for who can sign in,
	// or, where it can sign one, to the file of Report itself, until LinkUntil.
	Attached  bool      `json:"attached"`
	Path      string    `json:"path"`
	Report    uuid.UUID `json:"report,omitzero"`
	Link      string    `json:"-"`
	LinkUntil time.Time `json:"-"`
	// ExpiresAt is when the file is deleted, and Timezone the business's.
	ExpiresAt time.Time `json:"expires_at"`
	Timezone  string    `json:"timezone"`
}

// Template returns "export_ready".
func (ExportReady) Template() string { return "export_ready" }

// ExportFailed tells that a run of an export schedule has failed for good.
type ExportFailed struct {
	// Name, Business, Schedule, Title and Period are as in ExportReady.
	Name     string `json:"name,omitempty"`
	Business string `json:"business"`
	Schedule string `json:"schedule"`
	Title    string `json:"title"`
	Period   string `json:"period,omitempty"`
	// Failure is the class of the error, such as STORAGE or CREATOR_GONE.
	Failure string `json:"failure"`
	// NextRun is when the schedule runs next; zero when it is paused. Timezone is the business's.
	NextRun  time.Time `json:"next_run"`
	Timezone string    `json:"timezone"`
}

// Template returns "export_failed".
func (ExportFailed) Template() string { return "export_failed" }

// ExportSummary is what became of a business's reports in a week.
type ExportSummary struct {
	// Name and Business are as in ExportReady.
	Name     string `json:"name,omitempty"`
	Business string `json:"business"`
	// From and To are the first and the last day, YYYY-MM-DD.
	From string `json:"from"`
	To   string `json:"to"`
	// Total reports were asked for, of which Successful were made and Failed were not. Records are their rows and SizeBytes their files, together.
	Total      int64 `json:"total"`
	Successful int64 `json:"successful"`
	Failed     int64 `json:"failed"`
	Records    int64 `json:"records"`
	SizeBytes  int64 `json:"size_bytes"`
	// Kinds is the same for each kind of report.
	Kinds []ExportKind `json:"kinds,omitempty"`
}

// ExportKind is one kind of report in ExportSummary.
type ExportKind struct {
	Title      string `json:"title"`
	Total      int64  `json:"total"`
	Successful int64  `json:"successful"`
	Failed     int64  `json:"failed"`
	Records    int64  `json:"records"`
	SizeBytes  int64  `json:"size_bytes"`
}

// Template returns "export_summary".
func (ExportSummary) Template() string { return "export_summary" }
