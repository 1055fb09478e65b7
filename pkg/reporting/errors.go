package reporting

import (
	"errors"
	"fmt"
	"time"

	"makola/pkg/problem"
)

// Errors of this package. Their words are what a client reads.
var (
	// ErrNotFound reports a report that does not exist, is another business's, or is not for the person who asks.
	ErrNotFound = problem.New(problem.NotFound, "report_not_found", "There is no such report.")
	// ErrTooMany reports a business that has MaxOpen reports under way.
	ErrTooMany = problem.Later(problem.TooMany, "too_many_reports", fmt.Sprintf("%d reports of this business are being made, or wait. Wait until one is ready, or cancel one.", MaxOpen), 10*time.Second)
	// ErrNotReady reports a report without a file so far.
	ErrNotReady = problem.Later(problem.Conflict, "report_not_ready", "The report is not ready yet.", 2*time.Second)
	// ErrNoFile reports a report that failed or was cancelled.
	ErrNoFile = problem.New(problem.Conflict, "report_without_file", "This report was not finished, so there is no file. Ask for it again.")
	// ErrExpired reports a report whose file is gone.
	ErrExpired = problem.New(problem.Gone, "report_expired", "The file of this report was kept for 30 days and is gone. Ask for the report again.")
	// ErrNotYours reports somebody who would delete another's report.
	ErrNotYours = problem.New(problem.Forbidden, "report_not_yours", "Only whoever asked for this report, or an admin, may delete it.")
	// ErrUnknownStorefront reports a storefront that is none of the business's, or that the person may not see.
	ErrUnknownStorefront = fault("storefront_id", "unknown", "is no storefront of yours")

	// ErrOver reports a report that was finished or given up while this attempt made it. Its file must not be kept.
	ErrOver = errors.New("report is over already")
)
