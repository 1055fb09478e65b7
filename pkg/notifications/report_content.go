package notifications

import "time"

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
