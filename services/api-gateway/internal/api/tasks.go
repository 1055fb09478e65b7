package api

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/accounts"
	"makola/pkg/problem"
	"makola/pkg/task"
	"makola/services/api-gateway/internal/api/gen"
	"makola/services/api-gateway/internal/auth"
	"makola/services/api-gateway/internal/live"
)

// pollAfter is how many seconds a client should wait before it asks again about a task that has not ended.
const pollAfter = "2"

// errTaskEnded reports a task that is past cancelling.
var errTaskEnded = problem.New(problem.Conflict, "task_ended", "The task has ended already, or is about to.")

// GetTask shows one task.
func (s *Server) GetTask(ctx context.Context, req gen.GetTaskRequestObject) (gen.GetTaskResponseObject, error) {
	return s.task(ctx, req.ID, req.Params.IfNoneMatch)
}

// GetTaskStatus is GetTask at its second address.
func (s *Server) GetTaskStatus(ctx context.Context, req gen.GetTaskStatusRequestObject) (gen.GetTaskStatusResponseObject, error) {
	return s.task(ctx, req.ID, req.Params.IfNoneMatch)
}

// GetTaskStatusAlias is GetTask at the address of the Django application.
func (s *Server) GetTaskStatusAlias(ctx context.Context, req gen.GetTaskStatusAliasRequestObject) (gen.GetTaskStatusAliasResponseObject, error) {
	return s.task(ctx, req.ID, req.Params.IfNoneMatch)
}

// GetTaskStatusAliasSlash is GetTaskStatusAlias with a slash at the end.
func (s *Server) GetTaskStatusAliasSlash(ctx context.Context, req gen.GetTaskStatusAliasSlashRequestObject) (gen.GetTaskStatusAliasSlashResponseObject, error) {
	return s.task(ctx, req.ID, req.Params.IfNoneMatch)
}

func (s *Server) task(ctx context.Context, id uuid.UUID, ifNoneMatch *string) (taskAnswer, error) {
	var v *task.View
	err := s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		v, err = task.Get(tx, id)
		return err
	})
	if err == nil && !sees(auth.From(ctx), v) {
		err = task.ErrNotFound
	}
	if err != nil {
		return taskAnswer{}, taskError(err)
	}
	return answerTask(v, ifNoneMatch)
}

// sees tells whether somebody may see a task of their business: staff what they asked for, and who runs the shop everything.
func sees(who accounts.Principal, v *task.View) bool {
	return who.Role != accounts.Staff || asked(who, v)
}

// asked tells whether a task is somebody's own.
func asked(who accounts.Principal, v *task.View) bool {
	return v.CreatedBy != nil && *v.CreatedBy == who.User
}

func answerTask(v *task.View, ifNoneMatch *string) (taskAnswer, error) {
	raw, err := json.Marshal(taskBody(v))
	if err != nil {
		return taskAnswer{}, fmt.Errorf("encode task %s: %w", v.ID, err)
	}
	sum := sha256.Sum256(raw)
	a := taskAnswer{body: raw, etag: `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`, ended: v.FinishedAt != nil}
	a.known = ifNoneMatch != nil && matches(*ifNoneMatch, a.etag)
	return a, nil
}

// watch is a task as a stream sends it.
func (s *Server) watch(ctx context.Context, id uuid.UUID) (live.Snapshot, error) {
	a, err := s.task(ctx, id, nil)
	return live.Snapshot{JSON: a.body, ETag: strings.Trim(a.etag, `"`), Ended: a.ended}, err
}

// matches compares by RFC 9110, section 13.1.2: a list of tags, weakly compared, or a star.
func matches(header, etag string) bool {
	for tag := range strings.SplitSeq(header, ",") {
		if tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/"); tag == etag || tag == "*" {
			return true
		}
	}
	return false
}

// taskAnswer is one task on its way out; it answers all five addresses.
type taskAnswer struct {
	body         []byte
	etag         string
	ended, known bool // known: the client has this state already
}

// VisitGetTaskResponse implements gen.GetTaskResponseObject.
func (a taskAnswer) VisitGetTaskResponse(w http.ResponseWriter) error { return a.write(w) }

// VisitGetTaskStatusResponse implements gen.GetTaskStatusResponseObject.
func (a taskAnswer) VisitGetTaskStatusResponse(w http.ResponseWriter) error { return a.write(w) }

// VisitGetTaskStatusAliasResponse implements gen.GetTaskStatusAliasResponseObject.
func (a taskAnswer) VisitGetTaskStatusAliasResponse(w http.ResponseWriter) error { return a.write(w) }

// VisitGetTaskStatusAliasSlashResponse implements gen.GetTaskStatusAliasSlashResponseObject.
func (a taskAnswer) VisitGetTaskStatusAliasSlashResponse(w http.ResponseWriter) error {
	return a.write(w)
}

// VisitGetPlatformTaskResponse implements gen.GetPlatformTaskResponseObject.
func (a taskAnswer) VisitGetPlatformTaskResponse(w http.ResponseWriter) error { return a.write(w) }

func (a taskAnswer) write(w http.ResponseWriter) error {
	h := w.Header()
	h.Set("ETag", a.etag)
	h.Set("Cache-Control", "private, no-cache") // may be kept, must be asked about
	if !a.ended {
		h.Set("Retry-After", pollAfter)
	}
	if a.known {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	h.Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	_, err := w.Write(a.body)
	return err
}

// ListTasks pages through the business's tasks.
func (s *Server) ListTasks(ctx context.Context, req gen.ListTasksRequestObject) (gen.ListTasksResponseObject, error) {
	before, _, err := decodeCursor(cursorTasks, req.Params.Cursor)
	if err != nil {
		return nil, err
	}
	f := task.Filter{Before: before, Limit: pageSize(req.Params.Limit)}
	if who := auth.From(ctx); who.Role == accounts.Staff {
		f.CreatedBy = who.User
	}
	if req.Params.Status != nil {
		f.States = states(*req.Params.Status)
	}
	var views []*task.View
	err = s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		views, err = task.List(tx, f)
		return err
	})
	if err != nil {
		return nil, err
	}
	page := gen.TaskPage{Items: []gen.Task{}}
	if len(views) == f.Limit { // when the list ends exactly here the next page is empty
		page.NextCursor = encodeCursor(cursorTasks, views[len(views)-1].ID, 0)
	}
	for _, v := range views {
		page.Items = append(page.Items, taskBody(v))
	}
	return gen.ListTasks200JSONResponse(page), nil
}

// states is the reverse of task.View.Status.
func states(s gen.TaskState) []task.State {
	switch s {
	case gen.TaskStateQueued:
		return []task.State{task.Pending, task.Published}
	case gen.TaskStateProcessing:
		return []task.State{task.Running}
	case gen.TaskStateCompleted:
		return []task.State{task.Succeeded}
	case gen.TaskStateFailed:
		return []task.State{task.Failed}
	case gen.TaskStateCancelled:
		return []task.State{task.Cancelled}
	default:
		return nil
	}
}

// CancelTask stops a task, or asks it to stop.
func (s *Server) CancelTask(ctx context.Context, req gen.CancelTaskRequestObject) (gen.CancelTaskResponseObject, error) {
	who := auth.From(ctx)
	var result task.CancelResult
	err := s.DB.InTenant(ctx, func(tx *gorm.DB) error {
		v, err := task.Get(tx, req.ID)
		if err != nil {
			return err
		}
		switch {
		case !sees(who, v):
			return task.ErrNotFound
		case !asked(who, v) && !who.May(accounts.ManageSettings):
			return errPermission
		}
		result, err = task.Cancel(tx, req.ID, "user "+who.User.String())
		return err
	})
	if err == nil && result == task.CancelDone && s.Queue != nil { // a running one ends at its worker, who tells
		s.Queue.Announce(task.Event{ID: req.ID, Tenant: who.Tenant, State: task.Cancelled})
	}
	switch {
	case err != nil:
		return nil, taskError(err)
	case result == task.CancelDone:
		return gen.CancelTask204Response{}, nil
	case result == task.CancelRequested:
		location := "/api/v1/tasks/" + req.ID.String()
		return gen.CancelTask202Response{Headers: gen.CancelTask202ResponseHeaders{Location: &location, RetryAfter: &retrySeconds}}, nil
	default:
		return nil, errTaskEnded
	}
}

func taskError(err error) error {
	if errors.Is(err, task.ErrNotFound) {
		return problem.New(problem.NotFound, "", "")
	}
	return err
}

func taskBody(v *task.View) gen.Task {
	t := gen.Task{
		TaskID: v.ID, Name: v.Name, Status: gen.TaskState(v.Status()), Progress: v.Percent(), Attempts: v.Attempts, Error: optional(v.LastError()), WaitingFor: optional(v.WaitingFor()),
		CreatedAt: v.CreatedAt.UTC(), StartedAt: utc(v.StartedAt), FinishedAt: utc(v.FinishedAt), NextAttemptAt: utc(v.NextAttemptAt),
	}
	if v.Progress != nil {
		t.ProgressDetail = &gen.TaskProgress{Done: v.Progress.Done, Total: v.Progress.Total, Note: v.Progress.Note}
		if left := v.Progress.LeftMS; left > 0 {
			seconds := (left + 999) / 1000
			t.ProgressDetail.SecondsLeft = &seconds
		}
	}
	if len(v.Result) == 0 {
		return t
	}
	t.Result = &v.Result
	var file struct {
		URL string `json:"file_url"`
	}
	if json.Unmarshal(v.Result, &file) == nil { // a result of another shape has no file
		t.FileURL = optional(file.URL)
	}
	return t
}
