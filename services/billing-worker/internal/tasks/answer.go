package tasks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/assist"
	"makola/pkg/billing"
	"makola/pkg/chat"
	"makola/pkg/money"
	"makola/pkg/task"
	"makola/pkg/tenant"
	"makola/proto/contract"
	aifeatures "makola/proto/makola/ai_features/v1"
)

const (
	// laneWait is when a request that found no lane comes again.
	laneWait = time.Second
	// failTime bounds the writing down of a failure, also when the task's own time is over.
	failTime = 5 * time.Second
)

// Lanes bound how many requests one process has its model work on, and how many of them are one business's: all but one, so that whoever asks again and again of a slow model keeps nobody
// else waiting. Make them with NewLanes. Safe for concurrent use.
type Lanes struct {
	all int

	mu     sync.Mutex
	inside map[uuid.UUID]int
	total  int
}

// NewLanes makes the lanes of a process that runs long tasks of a queue at once: all but one of them, so that a payment to be verified never waits for a model.
func NewLanes(long int) *Lanes {
	return &Lanes{all: max(1, long-1), inside: map[uuid.UUID]int{}}
}

// Enter takes a lane for a business, and leave gives it back; without one, ok is false.
func (l *Lanes) Enter(business uuid.UUID) (leave func(), ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.total >= l.all || l.inside[business] >= max(1, l.all-1) {
		return nil, false
	}
	l.total++
	l.inside[business]++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.total--
		if l.inside[business]--; l.inside[business] == 0 {
			delete(l.inside, business)
		}
	}, true
}

// answered is what both tasks answer with.
type answered struct{ request, credits string }

// answer has the model work on one request, and returns the function that stores what came of it and uses the credits that were set aside.
func (a *AIFeatures) answer(ctx context.Context, run contract.Run, id string, feature assist.Feature) (func(tx *gorm.DB) (answered, error), error) {
	request, err := uuid.Parse(id)
	if err != nil {
		return nil, task.Permanent(errors.New("request_id is not a UUID"))
	}
	if run.Tenant == uuid.Nil {
		return nil, task.Permanent(assist.ErrNotFound) // a request belongs to a business
	}
	ctx = tenant.With(ctx, run.Tenant)
	r, h, err := a.request(ctx, request, feature)
	switch {
	case errors.Is(err, assist.ErrNotFound), errors.Is(err, billing.ErrHoldNotFound):
		return nil, task.Permanent(err)
	case err != nil:
		return nil, fmt.Errorf("read request %s: %w", request, err)
	case r.Status == assist.Answered:
		return func(*gorm.DB) (answered, error) { return answered{request.String(), h.Captured.String()}, nil }, nil
	case r.Failure != "":
		return nil, task.Permanent(fmt.Errorf("request %s: %w: %s", request, assist.ErrOver, r.Failure))
	case h.State != billing.Held:
		a.giveUp(ctx, r, assist.TooLate, spending{}, billing.ErrHoldEnded)
		return nil, task.Permanent(fmt.Errorf("request %s: %w", request, billing.ErrHoldEnded))
	}
	leave, ok := a.Lanes.Enter(run.Tenant)
	if !ok {
		return nil, task.Throttled(laneWait)
	}
	defer leave()
	begun := time.Now()
	got, used, err := a.Assist.Answer(ctx, r, begun, run.Progress)
	spent := spending{tokens: used.Total(), cost: a.Assist.Prices.Cost(used), took: time.Since(begun)}
	if err != nil {
		return nil, a.unanswered(ctx, run, r, spent, err)
	}
	return func(tx *gorm.DB) (answered, error) {
		credits, err := a.charge(ctx, tx, r, got, spent)
		return answered{request.String(), credits.String()}, err
	}, nil
}

// request reads a request and the hold that pays for it.
func (a *AIFeatures) request(ctx context.Context, id uuid.UUID, feature assist.Feature) (r *assist.Request, h *billing.Hold, err error) {
	err = a.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		if r, err = assist.Get(tx, id); err != nil {
			return err
		}
		if r.Feature != feature {
			return assist.ErrNotFound
		}
		h, err = billing.HoldByID(tx, r.Hold)
		return err
	})
	return r, h, err
}

// charge uses the credits and stores the answer, in the transaction that ends the task: both happen or neither does.
func (a *AIFeatures) charge(ctx context.Context, tx *gorm.DB, r *assist.Request, got *assist.Answer, spent spending) (money.Credits, error) {
	usage := spent.usage(r)
	usage.Summary = summaryOf(got)
	h, fresh, err := billing.Capture(tx, r.Hold, string(r.Feature), nil, usage)
	if err != nil {
		return 0, fmt.Errorf("charge request %s: %w", r.ID, err)
	}
	if !fresh {
		return 0, task.Permanent(fmt.Errorf("charge request %s: %w", r.ID, assist.ErrOver))
	}
	if err := assist.Finish(tx, r, got, spent.cost); err != nil {
		return 0, fmt.Errorf("store answer to request %s: %w", r.ID, err)
	}
	_, err = a.Tasks.RecordUsage(ctx, tx, &aifeatures.RecordUsageArgs{HoldId: h.ID.String()})
	return h.Captured, err
}

// unanswered decides what becomes of a request after an attempt that brought nothing: another attempt, or the end, which costs nothing.
func (a *AIFeatures) unanswered(ctx context.Context, run contract.Run, r *assist.Request, spent spending, cause error) error {
	err := fmt.Errorf("answer request %s: %w", r.ID, cause)
	if errors.Is(ctx.Err(), context.Canceled) { // cancelled, taken over or stopped: that is no failure, and was paid for all the same
		a.spend(ctx, r, spent.cost)
		return err
	}
	why, final := assist.Final(cause, run.Attempt >= run.MaxAttempts)
	if refused, ok := errors.AsType[*chat.RefusedError](cause); ok {
		slog.ErrorContext(ctx, "language model refuses requests: look at AI_URL, AI_KEY and AI_MODEL", "status", refused.Status, "code", refused.Code)
	}
	if !final {
		a.spend(ctx, r, spent.cost)
		if u, ok := errors.AsType[*chat.UnavailableError](cause); ok && u.RetryAfter > 0 {
			return task.RetryAfter(err, u.RetryAfter)
		}
		return err
	}
	a.giveUp(ctx, r, why, spent, cause)
	return task.Permanent(err)
}

// spend records what a useless attempt cost us. That is best effort: the request's budget is counted until it ends.
func (a *AIFeatures) spend(ctx context.Context, r *assist.Request, cost int64) {
	if cost == 0 {
		return
	}
	err := a.afterwards(ctx, func(tx *gorm.DB) error { return assist.Spend(tx, r, cost) })
	if err != nil {
		slog.WarnContext(ctx, "cost of a useless attempt not recorded", "error", err)
	}
}

// giveUp releases the credits of a request and records why. That is best effort: a hold runs out by itself, and the sweep ends the request.
func (a *AIFeatures) giveUp(ctx context.Context, r *assist.Request, why assist.Failure, spent spending, cause error) {
	usage := spent.usage(r)
	usage.Error = string(why) + ": " + cause.Error()
	err := a.afterwards(ctx, func(tx *gorm.DB) error {
		if _, err := billing.Release(tx, r.Hold, string(r.Feature), usage); err != nil {
			return err
		}
		_, err := assist.Fail(tx, r, why, spent.cost)
		return err
	})
	if err != nil {
		slog.WarnContext(ctx, "failure of a request not recorded", "error", err)
	}
}

// afterwards writes something down though the task's own time may be over.
func (a *AIFeatures) afterwards(ctx context.Context, write func(tx *gorm.DB) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), failTime)
	defer cancel()
	return a.DB.InTenant(ctx, write)
}

// spending is what one attempt took of us: cost is in 1/10000 GHS.
type spending struct {
	tokens, cost int64
	took         time.Duration
}

// usage is what is kept of a call for 90 days: which figures could be chosen, and how long what was asked is. The words themselves are kept in the request, for less.
func (s spending) usage(r *assist.Request) billing.Usage {
	request := map[string]any{"request_id": r.ID.String()}
	if r.Feature == assist.Question {
		request["characters"] = len([]rune(r.Input.Question))
	}
	return billing.Usage{ProviderCost: s.cost, Tokens: s.tokens, ProcessingMS: s.took.Milliseconds(), Request: request}
}

// summaryOf says what an answer was made of, and nothing of what it says.
func summaryOf(a *assist.Answer) string {
	text := fmt.Sprintf("%d characters of words", len([]rune(a.Words)))
	if a.Withheld {
		text = "words withheld"
	}
	for _, t := range a.Tables {
		text += fmt.Sprintf("; %s: %d rows", t.Figure, len(t.Rows))
	}
	return text
}
