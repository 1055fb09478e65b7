package api

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/oapi-codegen/runtime/types"
	"gorm.io/gorm"

	"makola/pkg/accounts"
	"makola/pkg/audit"
	"makola/pkg/problem"
	"makola/pkg/reporting"
	"makola/pkg/task"
	"makola/services/api-gateway/internal/api/gen"
	"makola/services/api-gateway/internal/auth"
	"makola/services/api-gateway/internal/once"
)

// errNoFiles reports a gateway that was told of no place for files.
var errNoFiles = problem.New(problem.Unavailable, "no_file_storage", "This server keeps no files, so it makes no reports.")

// CreateSalesReport accepts a report on sales.
func (s *Server) CreateSalesReport(ctx context.Context, req gen.CreateSalesReportRequestObject) (gen.CreateSalesReportResponseObject, error) {
	b := req.Body
	a, err := s.requestReport(ctx, wishedReport{
		Wish:       reporting.Wish{Kind: reporting.Sales, Format: string(value(b.Format)), StartDate: b.StartDate.String(), EndDate: b.EndDate.String()},
		storefront: b.StorefrontID, mail: value(b.EmailWhenReady),
	})
	if err != nil {
		return nil, err
	}
	return gen.CreateSalesReport202JSONResponse{Body: a.body, Headers: gen.CreateSalesReport202ResponseHeaders{Location: &a.body.StatusURL, RetryAfter: &a.retry}}, nil
}

// CreateInventoryReport accepts a report on stock.
func (s *Server) CreateInventoryReport(ctx context.Context, req gen.CreateInventoryReportRequestObject) (gen.CreateInventoryReportResponseObject, error) {
	b := req.Body
	a, err := s.requestReport(ctx, wishedReport{Wish: reporting.Wish{Kind: reporting.Inventory, Format: string(value(b.Format))}, zero: value(b.IncludeZeroStock), mail: value(b.EmailWhenReady)})
	if err != nil {
		return nil, err
	}
	return gen.CreateInventoryReport202JSONResponse{Body: a.body, Headers: gen.CreateInventoryReport202ResponseHeaders{Location: &a.body.StatusURL, RetryAfter: &a.retry}}, nil
}

// CreateCustomersReport accepts a list of customers.
func (s *Server) CreateCustomersReport(ctx context.Context, req gen.CreateCustomersReportRequestObject) (gen.CreateCustomersReportResponseObject, error) {
	b := req.Body
	a, err := s.requestReport(ctx, wishedReport{Wish: reporting.Wish{Kind: reporting.Customers, Format: string(value(b.Format))}, mail: value(b.EmailWhenReady)})
	if err != nil {
		return nil, err
	}
	return gen.CreateCustomersReport202JSONResponse{Body: a.body, Headers: gen.CreateCustomersReport202ResponseHeaders{Location: &a.body.StatusURL, RetryAfter: &a.retry}}, nil
}

// CreateTransactionsReport accepts a list of sales, payments and refunds.
func (s *Server) CreateTransactionsReport(ctx context.Context, req gen.CreateTransactionsReportRequestObject) (gen.CreateTransactionsReportResponseObject, error) {
	b := req.Body
	a, err := s.requestReport(ctx, wishedReport{
		Wish: reporting.Wish{Kind: reporting.Transactions, StartDate: b.StartDate.String(), EndDate: b.EndDate.String()}, mail: value(b.EmailWhenReady),
	})
	if err != nil {
		return nil, err
	}
	return gen.CreateTransactionsReport202JSONResponse{Body: a.body, Headers: gen.CreateTransactionsReport202ResponseHeaders{Location: &a.body.StatusURL, RetryAfter: &a.retry}}, nil
}

// CreateAuditLogReport accepts a report on what was done.
func (s *Server) CreateAuditLogReport(ctx context.Context, req gen.CreateAuditLogReportRequestObject) (gen.CreateAuditLogReportResponseObject, error) {
	b := req.Body
	a, err := s.requestReport(ctx, wishedReport{
		Wish: reporting.Wish{Kind: reporting.AuditLogs, Format: string(value(b.Format)), StartDate: b.StartDate.String(), EndDate: b.EndDate.String()}, mail: value(b.EmailWhenReady),
	})
	if err != nil {
		return nil, err
	}
	return gen.CreateAuditLogReport202JSONResponse{Body: a.body, Headers: gen.CreateAuditLogReport202ResponseHeaders{Location: &a.body.StatusURL, RetryAfter: &a.retry}}, nil
}

// wishedReport is a report as a request asks for it.
type wishedReport struct {
	reporting.Wish
	storefront *uuid.UUID
	zero, mail bool
}

// acceptedReport is the answer to one.
type acceptedReport struct {
	body  gen.ReportAccepted
	retry int
}

// requestReport records a report and its task, once for each Idempotency-Key.
func (s *Server) requestReport(ctx context.Context, w wishedReport) (a acceptedReport, err error) {
	if s.Files == nil {
		return a, errNoFiles
	}
	claim := once.From(ctx)
	var r *reporting.Report
	var wait time.Duration
	err = s.atTill(ctx, func(t *till) (err error) {
		if id := claim.Made(); id != uuid.Nil {
			r, err = reporting.Get(t.tx, t.reads(), id)
		} else {
			r, err = s.orderReport(ctx, t, w)
		}
		if err != nil {
			return err
		}
		if wait, err = reporting.Wait(t.tx, r.Order); err != nil {
			return err
		}
		return claim.Keep(t.tx, r.ID)
	})
	if err != nil {
		return a, fmt.Errorf("request report: %w", err)
	}
	return accepted(r, wait), nil
}

func accepted(r *reporting.Report, wait time.Duration) acceptedReport {
	return acceptedReport{
		body:  gen.ReportAccepted{ReportID: r.ID, TaskID: r.Task, Status: gen.ReportAcceptedStatusProcessing, StatusURL: taskURL(r.Task)},
		retry: int((wait + time.Second - 1) / time.Second),
	}
}

// orderReport makes an order of a wish: of the storefronts that whoever asks may see, or of the one that they name.
func (s *Server) orderReport(ctx context.Context, t *till, w wishedReport) (*reporting.Report, error) {
	o, err := reporting.Read(t.tx, w.Wish, t.now)
	if err != nil {
		return nil, err
	}
	o.User, o.Mail, o.IncludeZeroStock = t.who.Entry.User, w.mail, w.zero
	if !t.who.Scope.All {
		o.Storefronts = append([]uuid.UUID{}, t.who.Scope.IDs...)
	}
	if w.storefront != nil {
		if err := s.seesStorefront(t, *w.storefront); err != nil {
			return nil, err
		}
		o.Storefronts = []uuid.UUID{*w.storefront}
	}
	r, fresh, err := reporting.Request(ctx, t.tx, s.Reports, o)
	if err != nil || !fresh {
		return r, err
	}
	entry := t.who.Entry
	entry.Action, entry.Entity, entry.EntityID = "report.requested", "report", r.ID.String()
	entry.Changes = map[string]any{"kind": o.Kind, "format": o.Format, "period": o.Period.String()}
	return r, audit.Record(t.tx, entry)
}

// seesStorefront refuses a storefront that is none of the business's, or that whoever stands there does not see.
func (s *Server) seesStorefront(t *till, id uuid.UUID) error {
	unknown, err := s.storefronts()(t.tx, []uuid.UUID{id})
	switch {
	case err != nil:
		return err
	case len(unknown) > 0 || !t.who.Scope.Sees(id):
		return reporting.ErrUnknownStorefront
	}
	return nil
}

// reads is what of the reports whoever stands there sees: all, if they see all storefronts.
func (t *till) reads() reporting.Reader {
	return reporting.Reader{User: t.who.Entry.User, All: t.who.Scope.All}
}

func taskURL(id uuid.UUID) string { return "/api/v1/tasks/" + id.String() + "/status" }

// ListReports pages through reports.
func (s *Server) ListReports(ctx context.Context, req gen.ListReportsRequestObject) (gen.ListReportsResponseObject, error) {
	before, _, err := decodeCursor(cursorReports, req.Params.Cursor)
	if err != nil {
		return nil, err
	}
	f := reporting.Filter{Before: before, Limit: pageSize(req.Params.Limit), Kind: reporting.Kind(value(req.Params.Kind)), Status: reporting.Status(value(req.Params.Status)), Schedule: value(req.Params.ScheduleID)}
	var list []*reporting.Report
	err = s.atTill(ctx, func(t *till) (err error) {
		list, err = reporting.List(t.tx, t.reads(), f)
		return err
	})
	if err != nil {
		return nil, err
	}
	page := gen.ReportPage{Items: []gen.Report{}}
	if len(list) == f.Limit { // when the list ends exactly here the next page is empty
		page.NextCursor = encodeCursor(cursorReports, list[f.Limit-1].ID, 0)
	}
	for _, r := range list {
		page.Items = append(page.Items, reportBody(r))
	}
	return gen.ListReports200JSONResponse(page), nil
}

// GetReport shows one report.
func (s *Server) GetReport(ctx context.Context, req gen.GetReportRequestObject) (gen.GetReportResponseObject, error) {
	var r *reporting.Report
	err := s.atTill(ctx, func(t *till) (err error) {
		r, err = reporting.Get(t.tx, t.reads(), req.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	return gen.GetReport200JSONResponse(reportBody(r)), nil
}

// DeleteReport stops a report, or deletes its file.
func (s *Server) DeleteReport(ctx context.Context, req gen.DeleteReportRequestObject) (gen.DeleteReportResponseObject, error) {
	who := auth.From(ctx)
	var key string
	var stopped *uuid.UUID
	err := s.atTill(ctx, func(t *till) (err error) {
		admin := who.Role == accounts.Owner || who.Role == accounts.Admin
		key, stopped, err = reporting.Delete(t.tx, t.reads(), admin, req.ID, "user "+who.User.String())
		return err
	})
	if err != nil {
		return nil, err
	}
	if stopped != nil && s.Queue != nil { // one that runs ends at its worker, who tells
		s.Queue.Announce(task.Event{ID: *stopped, Tenant: who.Tenant, State: task.Cancelled})
	}
	if key != "" && s.Files != nil {
		if err := s.Files.Delete(ctx, key); err != nil {
			slog.WarnContext(ctx, "file of a deleted report stays until it is swept", "error", err)
		}
	}
	return gen.DeleteReport204Response{}, nil
}

func reportBody(r *reporting.Report) gen.Report {
	b := gen.Report{
		ID: r.ID, Kind: gen.ReportKind(r.Kind), Format: gen.ReportFormat(r.Format), Trigger: gen.ReportTrigger(r.Trigger), Status: gen.ReportStatus(r.Status), IncludeZeroStock: r.IncludeZeroStock,
		TaskID: r.Task, StatusURL: taskURL(r.Task), Error: optional(r.Reason), WaitingFor: optional(r.WaitingFor), CreatedAt: r.CreatedAt.UTC(), FinishedAt: utc(r.FinishedAt), ExpiresAt: utc(r.ExpiresAt), Progress: r.Percent(),
		ErrorCode: optional(string(r.Failure)), EmailState: optional(string(r.Mails)), Retries: r.Retries,
	}
	b.Emails = make([]gen.ReportEmail, len(r.Recipients))
	for i, m := range r.Recipients {
		b.Emails[i] = gen.ReportEmail{Recipient: m.Address, State: gen.ReportEmailState(m.State), Reason: optional(m.Reason)}
	}
	if r.Schedule != uuid.Nil {
		b.ScheduleID = &r.Schedule
	}
	if !r.Period.From.IsZero() {
		b.StartDate, b.EndDate = &types.Date{Time: r.Period.From}, &types.Date{Time: r.Period.To}
	}
	if r.Storefronts != nil {
		b.StorefrontIds = &r.Storefronts
	}
	if r.User != uuid.Nil {
		b.CreatedBy = &r.User
	}
	if r.File != nil {
		b.FileName, b.FileSize, b.Sha256, b.RecordCount = &r.File.Name, &r.File.Size, &r.File.SHA256, &r.RecordCount
	}
	if r.HasFile() {
		b.DownloadURL = optional(reporting.DownloadPath(r.ID))
	}
	return b
}

// GetReportStatistics counts reports.
func (s *Server) GetReportStatistics(ctx context.Context, req gen.GetReportStatisticsRequestObject) (gen.GetReportStatisticsResponseObject, error) {
	var all reporting.Statistics
	err := s.atTill(ctx, func(t *till) (err error) {
		days := value(req.Params.Days)
		if days == 0 {
			days = statisticsDays
		}
		clock, err := reporting.ClockOf(t.tx)
		if err != nil {
			return err
		}
		all, err = reporting.StatisticsOf(t.tx, t.reads(), clock.Now.AddDate(0, 0, -days), clock.Now)
		return err
	})
	if err != nil {
		return nil, err
	}
	b := gen.ReportStatistics{From: all.From.UTC(), To: all.To.UTC(), Total: all.Total, Running: all.Running, Completed: all.Completed, Failed: all.Failed, Cancelled: all.Cancelled, Records: all.Records, Bytes: all.Bytes}
	b.ByKind = make([]struct {
		Bytes     int64          `json:"bytes"`
		Completed int64          `json:"completed"`
		Failed    int64          `json:"failed"`
		Kind      gen.ReportKind `json:"kind"`
		Records   int64          `json:"records"`
		Total     int64          `json:"total"`
	}, len(all.ByKind))
	for i, k := range all.ByKind {
		one := &b.ByKind[i]
		one.Kind, one.Total, one.Completed, one.Failed, one.Records, one.Bytes = gen.ReportKind(k.Kind), k.Total, k.Completed, k.Failed, k.Records, k.Bytes
	}
	if all.Completed > 0 {
		seconds := (all.TookMS + 1000*all.Completed - 1) / (1000 * all.Completed)
		b.AverageSeconds = &seconds
	}
	return gen.GetReportStatistics200JSONResponse(b), nil
}

// statisticsDays is what reports are counted of when a request does not say.
const statisticsDays = 30

// downloadable returns the report whose file whoever asks may have.
func (s *Server) downloadable(ctx context.Context, id uuid.UUID) (r *reporting.Report, err error) {
	err = s.DB.InTenant(ctx, func(tx *gorm.DB) error {
		who := auth.From(ctx)
		scope, err := accounts.StorefrontsOf(tx, who.User, who.Role)
		if err != nil {
			return err
		}
		r, err = reporting.Download(tx, reporting.Reader{User: who.User, All: scope.All}, id, time.Now())
		return err
	})
	return r, err
}
