package api

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/audit"
	"makola/pkg/notifications"
	"makola/pkg/reporting"
	"makola/services/api-gateway/internal/api/gen"
	"makola/services/api-gateway/internal/once"
)

const (
	// previewRuns is how many of a schedule's next times are shown.
	previewRuns = 5
	// upcomingRuns is how many runs of all schedules are shown when a request does not say.
	upcomingRuns = 10
)

// ListExportSchedules pages through schedules.
func (s *Server) ListExportSchedules(ctx context.Context, req gen.ListExportSchedulesRequestObject) (gen.ListExportSchedulesResponseObject, error) {
	before, _, err := decodeCursor(cursorSchedules, req.Params.Cursor)
	if err != nil {
		return nil, err
	}
	f := reporting.ScheduleFilter{Active: req.Params.Active, Before: before, Limit: pageSize(req.Params.Limit)}
	page := gen.ExportSchedulePage{Items: []gen.ExportSchedule{}}
	err = s.atTill(ctx, func(t *till) error {
		list, err := reporting.Schedules(t.tx, t.reads(), f)
		if err != nil {
			return err
		}
		clock, err := reporting.ClockOf(t.tx)
		if err != nil {
			return err
		}
		for _, one := range list {
			page.Items = append(page.Items, exportScheduleBody(one, clock))
		}
		if len(list) == f.Limit {
			page.NextCursor = encodeCursor(cursorSchedules, list[f.Limit-1].ID, 0)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return gen.ListExportSchedules200JSONResponse(page), nil
}

// GetExportSchedule shows one schedule.
func (s *Server) GetExportSchedule(ctx context.Context, req gen.GetExportScheduleRequestObject) (gen.GetExportScheduleResponseObject, error) {
	body, err := s.withSchedule(ctx, func(t *till) (*reporting.Schedule, error) { return reporting.GetSchedule(t.tx, t.reads(), req.ID) })
	return gen.GetExportSchedule200JSONResponse(body), err
}

// AddExportSchedule makes a schedule.
func (s *Server) AddExportSchedule(ctx context.Context, req gen.AddExportScheduleRequestObject) (gen.AddExportScheduleResponseObject, error) {
	b := req.Body
	change := reporting.ScheduleChange{
		Name: &b.Name, Kind: word(&b.Kind), Format: word(b.Format), Period: word(b.Period), Frequency: word(&b.Frequency), Hour: b.Hour, DayOfWeek: b.DayOfWeek, DayOfMonth: b.DayOfMonth,
		Storefront: b.StorefrontID, IncludeZeroStock: b.IncludeZeroStock, Recipients: b.Recipients, IncludeCreator: b.IncludeCreator, Subject: b.Subject, Message: b.Message,
	}
	body, err := s.withSchedule(ctx, func(t *till) (*reporting.Schedule, error) {
		if err := s.maySchedule(t, change); err != nil {
			return nil, err
		}
		made, err := reporting.AddSchedule(t.tx, t.reads(), change)
		if err != nil {
			return nil, err
		}
		if err := notifications.TryAgain(t.tx, t.who.Entry.Tenant, made.Recipients); err != nil {
			return nil, err
		}
		return made, t.recordSchedule(audit.Create, made, nil)
	})
	if err != nil {
		return nil, fmt.Errorf("add export schedule: %w", err)
	}
	return gen.AddExportSchedule201JSONResponse(body), nil
}

// ChangeExportSchedule changes a schedule.
func (s *Server) ChangeExportSchedule(ctx context.Context, req gen.ChangeExportScheduleRequestObject) (gen.ChangeExportScheduleResponseObject, error) {
	b := req.Body
	change := reporting.ScheduleChange{
		Name: b.Name, Kind: word(b.Kind), Format: word(b.Format), Period: word(b.Period), Frequency: word(b.Frequency), Hour: b.Hour, DayOfWeek: b.DayOfWeek, DayOfMonth: b.DayOfMonth,
		IncludeZeroStock: b.IncludeZeroStock, Recipients: b.Recipients, IncludeCreator: b.IncludeCreator, Subject: b.Subject, Message: b.Message,
	}
	storefront, err := written[uuid.UUID](b.StorefrontID)
	if err != nil {
		return nil, fmt.Errorf("read storefront_id: %w", err)
	}
	if storefront != nil {
		if change.Storefront = *storefront; change.Storefront == nil {
			change.Storefront = &uuid.Nil
		}
	}
	body, err := s.withSchedule(ctx, func(t *till) (*reporting.Schedule, error) {
		if err := s.maySchedule(t, change); err != nil {
			return nil, err
		}
		before, now, err := reporting.ChangeSchedule(t.tx, t.reads(), req.ID, change)
		if err != nil {
			return nil, err
		}
		if err := notifications.TryAgain(t.tx, t.who.Entry.Tenant, added(before.Recipients, now.Recipients)); err != nil {
			return nil, err
		}
		return now, t.recordSchedule(audit.Update, now, before)
	})
	if err != nil {
		return nil, fmt.Errorf("change export schedule: %w", err)
	}
	return gen.ChangeExportSchedule200JSONResponse(body), nil
}

// added are the addresses of a list that were not in it before.
func added(before, now []string) []string {
	return slices.DeleteFunc(slices.Clone(now), func(address string) bool { return slices.Contains(before, address) })
}

// maySchedule refuses a storefront that whoever asks does not see.
func (s *Server) maySchedule(t *till, change reporting.ScheduleChange) error {
	if change.Storefront == nil || *change.Storefront == uuid.Nil {
		return nil
	}
	return s.seesStorefront(t, *change.Storefront)
}

// DeleteExportSchedule ends a schedule.
func (s *Server) DeleteExportSchedule(ctx context.Context, req gen.DeleteExportScheduleRequestObject) (gen.DeleteExportScheduleResponseObject, error) {
	err := s.atTill(ctx, func(t *till) error {
		ended, err := reporting.DeleteSchedule(t.tx, t.reads(), req.ID)
		if err != nil {
			return err
		}
		return t.recordSchedule(audit.Delete, ended, nil)
	})
	if err != nil {
		return nil, fmt.Errorf("delete export schedule: %w", err)
	}
	return gen.DeleteExportSchedule204Response{}, nil
}

// ActivateExportSchedule lets a schedule go on.
func (s *Server) ActivateExportSchedule(ctx context.Context, req gen.ActivateExportScheduleRequestObject) (gen.ActivateExportScheduleResponseObject, error) {
	body, err := s.pauseSchedule(ctx, req.ID, true)
	return gen.ActivateExportSchedule200JSONResponse(body), err
}

// DeactivateExportSchedule pauses a schedule.
func (s *Server) DeactivateExportSchedule(ctx context.Context, req gen.DeactivateExportScheduleRequestObject) (gen.DeactivateExportScheduleResponseObject, error) {
	body, err := s.pauseSchedule(ctx, req.ID, false)
	return gen.DeactivateExportSchedule200JSONResponse(body), err
}

func (s *Server) pauseSchedule(ctx context.Context, id uuid.UUID, active bool) (gen.ExportSchedule, error) {
	return s.withSchedule(ctx, func(t *till) (*reporting.Schedule, error) {
		now, changed, err := reporting.PauseSchedule(t.tx, t.reads(), id, active)
		if err != nil || !changed {
			return now, err
		}
		action := "export_schedule.paused"
		if active {
			action = "export_schedule.resumed"
		}
		return now, t.recordSchedule(action, now, nil)
	})
}

// TriggerExportSchedule runs a schedule now, once for each Idempotency-Key.
func (s *Server) TriggerExportSchedule(ctx context.Context, req gen.TriggerExportScheduleRequestObject) (gen.TriggerExportScheduleResponseObject, error) {
	if s.Files == nil {
		return nil, errNoFiles
	}
	claim := once.From(ctx)
	var r *reporting.Report
	var wait time.Duration
	err := s.atTill(ctx, func(t *till) (err error) {
		if id := claim.Made(); id != uuid.Nil {
			r, err = reporting.Get(t.tx, t.reads(), id)
		} else {
			r, err = s.runSchedule(ctx, t, req.ID)
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
		return nil, fmt.Errorf("run export schedule: %w", err)
	}
	a := accepted(r, wait)
	return gen.TriggerExportSchedule202JSONResponse{Body: a.body, Headers: gen.TriggerExportSchedule202ResponseHeaders{Location: &a.body.StatusURL, RetryAfter: &a.retry}}, nil
}

func (s *Server) runSchedule(ctx context.Context, t *till, id uuid.UUID) (*reporting.Report, error) {
	r, fresh, err := reporting.TriggerSchedule(ctx, t.tx, s.Reports, t.reads(), id)
	if err != nil || !fresh {
		return r, err
	}
	entry := t.who.Entry
	entry.Action, entry.Entity, entry.EntityID = "export_schedule.run", "export_schedule", id.String()
	entry.Changes = map[string]any{"report_id": r.ID}
	return r, audit.Record(t.tx, entry)
}

// ListUpcomingExports shows what runs next.
func (s *Server) ListUpcomingExports(ctx context.Context, req gen.ListUpcomingExportsRequestObject) (gen.ListUpcomingExportsResponseObject, error) {
	n := value(req.Params.Limit)
	if n == 0 {
		n = upcomingRuns
	}
	var list []reporting.Coming
	var clock reporting.Clock
	err := s.atTill(ctx, func(t *till) (err error) {
		list, clock, err = reporting.Upcoming(t.tx, t.reads(), n)
		return err
	})
	if err != nil {
		return nil, err
	}
	b := gen.UpcomingExports{Timezone: clock.Zone.String()}
	b.Items = make([]struct {
		Format     gen.UpcomingExportsItemsFormat `json:"format"`
		Kind       gen.ReportKind                 `json:"kind"`
		Name       string                         `json:"name"`
		RunAt      time.Time                      `json:"run_at"`
		ScheduleID uuid.UUID                      `json:"schedule_id"`
	}, len(list))
	for i, c := range list {
		one := &b.Items[i]
		one.ScheduleID, one.Name, one.Kind, one.Format, one.RunAt = c.Schedule.ID, c.Schedule.Name, gen.ReportKind(c.Schedule.Kind), gen.UpcomingExportsItemsFormat(c.Schedule.Format), c.At.In(clock.Zone)
	}
	return gen.ListUpcomingExports200JSONResponse(b), nil
}

// PreviewExportSchedule shows when a schedule would run.
func (s *Server) PreviewExportSchedule(ctx context.Context, req gen.PreviewExportScheduleRequestObject) (gen.PreviewExportScheduleResponseObject, error) {
	b := req.Body
	change := reporting.ScheduleChange{Frequency: word(&b.Frequency), Hour: b.Hour, DayOfWeek: b.DayOfWeek, DayOfMonth: b.DayOfMonth}
	var runs []time.Time
	var clock reporting.Clock
	err := s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		runs, clock, err = reporting.PreviewTiming(tx, change, previewRuns)
		return err
	})
	if err != nil {
		return nil, err
	}
	return gen.PreviewExportSchedule200JSONResponse(gen.ExportPreview{Timezone: clock.Zone.String(), Runs: local(runs, clock.Zone)}), nil
}

// withSchedule runs fn at the till, and says what a schedule is then.
func (s *Server) withSchedule(ctx context.Context, fn func(t *till) (*reporting.Schedule, error)) (body gen.ExportSchedule, err error) {
	err = s.atTill(ctx, func(t *till) error {
		one, err := fn(t)
		if err != nil {
			return err
		}
		clock, err := reporting.ClockOf(t.tx)
		body = exportScheduleBody(one, clock)
		return err
	})
	return body, err
}

// recordSchedule writes into the log what somebody did to a schedule: what it says now, and whom it goes to, because it sends what the business knows to others.
func (t *till) recordSchedule(action string, now, before *reporting.Schedule) error {
	entry := t.who.Entry
	entry.Action, entry.Entity, entry.EntityID = action, "export_schedule", now.ID.String()
	entry.Changes = map[string]any{"name": now.Name, "kind": now.Kind, "frequency": now.Frequency, "recipients": now.Recipients}
	if before != nil {
		entry.Changes = map[string]any{"name": []string{before.Name, now.Name}, "kind": []reporting.Kind{before.Kind, now.Kind}, "frequency": []reporting.Frequency{before.Frequency, now.Frequency}, "recipients": [][]string{before.Recipients, now.Recipients}}
	}
	return audit.Record(t.tx, entry)
}

func exportScheduleBody(s *reporting.Schedule, clock reporting.Clock) gen.ExportSchedule {
	b := gen.ExportSchedule{
		ID: s.ID, Name: s.Name, Kind: gen.ReportKind(s.Kind), Format: gen.ExportScheduleFormat(s.Format), Period: optional(string(s.Period)), Frequency: gen.ExportScheduleFrequency(s.Frequency), Hour: s.Hour,
		DayOfWeek: s.DayOfWeek, DayOfMonth: s.DayOfMonth, IncludeZeroStock: s.IncludeZeroStock, Recipients: slices.Clone(s.Recipients), IncludeCreator: s.IncludeCreator, Subject: s.Subject, Message: s.Message,
		IsActive: s.Active, LastRunAt: utc(s.LastRun), CreatedBy: s.User, CreatedAt: s.CreatedAt.UTC(), UpdatedAt: s.UpdatedAt.UTC(), Timezone: clock.Zone.String(),
		NextRuns: local(s.Following(clock.Now, clock.Zone, previewRuns), clock.Zone),
	}
	if s.Storefront != uuid.Nil {
		b.StorefrontID = &s.Storefront
	}
	if s.Active {
		b.NextRunAt = utc(&s.NextRun)
	}
	return b
}

// local says instants by the clock of a zone.
func local(list []time.Time, zone *time.Location) []time.Time {
	all := make([]time.Time, len(list))
	for i, at := range list {
		all[i] = at.In(zone)
	}
	return all
}

// word is a value of a closed set as its text.
func word[T ~string](v *T) *string {
	if v == nil {
		return nil
	}
	text := string(*v)
	return &text
}
