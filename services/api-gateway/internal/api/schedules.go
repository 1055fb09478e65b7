package api

import (
	"context"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/cron"
	"makola/pkg/task"
	"makola/proto/catalogue"
	"makola/services/api-gateway/internal/api/gen"
	"makola/services/api-gateway/internal/auth"
)

const (
	// shownSlots is how many slots to come are shown of a job, and shownRuns how many of its past.
	shownSlots = 5
	shownRuns  = 50
)

// ListSchedules shows the schedule.
func (s *Server) ListSchedules(ctx context.Context, _ gen.ListSchedulesRequestObject) (gen.ListSchedulesResponseObject, error) {
	var jobs []*cron.Job
	err := s.DB.InSystem(ctx, func(tx *gorm.DB) (err error) {
		jobs, err = cron.Jobs(tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	list := gen.ScheduleList{Items: []gen.Schedule{}}
	for _, j := range jobs {
		if list.CronSeenAt == nil || j.SeenAt.After(*list.CronSeenAt) {
			list.CronSeenAt = utc(&j.SeenAt)
		}
		list.Items = append(list.Items, scheduleBody(j))
	}
	return gen.ListSchedules200JSONResponse(list), nil
}

// GetSchedule shows one job with what became of its slots.
func (s *Server) GetSchedule(ctx context.Context, req gen.GetScheduleRequestObject) (gen.GetScheduleResponseObject, error) {
	body := gen.ScheduleDetail{NextSlots: []time.Time{}, Runs: []gen.ScheduleRun{}}
	err := s.DB.InSystem(ctx, func(tx *gorm.DB) error {
		job, err := cron.Find(tx, req.Name)
		if err != nil {
			return err
		}
		runs, err := cron.Runs(tx, req.Name, shownRuns)
		if err != nil {
			return err
		}
		body.Schedule = scheduleBody(job)
		body.NextSlots = append(body.NextSlots, job.NextSlots(shownSlots)...)
		for i := range runs {
			body.Runs = append(body.Runs, runBody(&runs[i]))
		}
		return nil
	})
	return gen.GetSchedule200JSONResponse(body), err
}

// PauseSchedule keeps a job's slots from running.
func (s *Server) PauseSchedule(ctx context.Context, req gen.PauseScheduleRequestObject) (gen.PauseScheduleResponseObject, error) {
	body, err := s.steer(ctx, req.Name, func(tx *gorm.DB) error { return cron.PauseJob(tx, req.Name, req.Body.Reason, steersman(ctx)) })
	return gen.PauseSchedule200JSONResponse(body), err
}

// ResumeSchedule lets them run again.
func (s *Server) ResumeSchedule(ctx context.Context, req gen.ResumeScheduleRequestObject) (gen.ResumeScheduleResponseObject, error) {
	body, err := s.steer(ctx, req.Name, func(tx *gorm.DB) error { return cron.ResumeJob(tx, req.Name, req.Body.Reason, steersman(ctx)) })
	return gen.ResumeSchedule200JSONResponse(body), err
}

// steer changes a job and returns it as it is then.
func (s *Server) steer(ctx context.Context, name string, change func(tx *gorm.DB) error) (body gen.Schedule, err error) {
	err = s.DB.InSystem(ctx, func(tx *gorm.DB) error {
		if err := change(tx); err != nil {
			return err
		}
		job, err := cron.Find(tx, name)
		if err == nil {
			body = scheduleBody(job)
		}
		return err
	})
	return body, err
}

// RunSchedule runs a job now.
func (s *Server) RunSchedule(ctx context.Context, req gen.RunScheduleRequestObject) (gen.RunScheduleResponseObject, error) {
	var id uuid.UUID
	var again bool
	err := s.DB.InSystem(ctx, func(tx *gorm.DB) (err error) {
		id, again, err = cron.RunJob(ctx, tx, s.Schedule, req.Name, cron.Request{Who: steersman(ctx), Reason: req.Body.Reason, Key: value(req.Body.Key)})
		return err
	})
	if err != nil {
		return nil, err
	}
	body := gen.ScheduleRunAccepted{TaskID: id, StatusURL: platformTask(id), ScheduleURL: "/api/v1/ops/schedules/" + req.Name, Again: again}
	return gen.RunSchedule202JSONResponse{Body: body, Headers: gen.RunSchedule202ResponseHeaders{Location: &body.StatusURL, RetryAfter: &retrySeconds}}, nil
}

// steersman is whoever asks, as the schedule remembers them.
func steersman(ctx context.Context) cron.Who {
	who, client := auth.From(ctx), clientOf(ctx)
	return cron.Who{Actor: who.Email, User: who.User, IP: client.IP, UserAgent: client.UserAgent}
}

func scheduleBody(j *cron.Job) gen.Schedule {
	const active = "active"
	body := gen.Schedule{
		Name: j.Name, Task: j.Task, Does: catalogue.Description(j.Task), Args: j.Args, When: j.Words(), Missed: gen.ScheduleMissed(j.Missed.String()), Overlap: gen.ScheduleOverlap(j.Overlap.String()),
		State: active, SkippedRecently: j.Skipped,
	}
	if j.Expression != "" {
		body.Expression, body.Zone = &j.Expression, &j.Zone
	} else {
		every, offset := int64(j.Every.Seconds()), int64(j.Offset.Seconds())
		body.EverySeconds, body.OffsetSeconds = &every, &offset
	}
	if j.Pause != nil {
		body.State, body.Pause = "paused", &gen.SchedulePause{At: j.Pause.At.UTC(), By: j.Pause.By, Reason: j.Pause.Reason}
	}
	if j.Waits {
		body.State = "waiting"
	}
	if next := j.NextSlots(1); body.State == active && len(next) > 0 {
		body.NextAt = &next[0]
	}
	if j.Last != nil {
		last := runBody(j.Last)
		body.LastRun = &last
	}
	if j.LastSkip != nil {
		skip := runBody(j.LastSkip)
		body.LastSkip = &skip
	}
	return body
}

func runBody(r *cron.Run) gen.ScheduleRun {
	body := gen.ScheduleRun{
		Slot: utc(r.Slot), At: r.At.UTC(), Skipped: optional(r.Skipped), RequestedBy: optional(r.RequestedBy), Reason: optional(r.Reason), Attempts: r.Attempts,
		StartedAt: utc(r.StartedAt), FinishedAt: utc(r.FinishedAt), Error: optional(r.Error),
	}
	switch {
	case r.Skipped != "":
		body.Status = "skipped"
		return body
	case r.State == "":
		body.Status = "forgotten"
	default:
		body.Status = gen.ScheduleRunStatus((&task.View{State: r.State}).Status())
	}
	body.TaskID = &r.Task
	if r.FinishedAt != nil {
		took := r.Took().Milliseconds()
		body.DurationMs = &took
	}
	if len(r.Result) > 0 {
		body.Result = &r.Result
	}
	return body
}
