package task

import (
	"context"
	"log/slog"

	"github.com/google/uuid"

	"makola/pkg/service"
	"makola/pkg/tenant"
	"makola/proto/contract"
)

type runKey struct{}

type runInfo struct {
	contract.Run
	root uuid.UUID
	key  string // the unique key the task was enqueued with; empty when it had none
}

// RunFrom returns what a SHORT handler may know of the task it works for. The zero Run means that ctx is not a handler's.
func RunFrom(ctx context.Context) contract.Run {
	r, _ := runFrom(ctx)
	return r.Run
}

func runFrom(ctx context.Context) (*runInfo, bool) {
	r, ok := ctx.Value(runKey{}).(*runInfo)
	if !ok {
		return &runInfo{}, false
	}
	return r, true
}

// withRun makes the context a handler sees: its task, its tenant, and both in every log line.
func withRun(ctx context.Context, c *claimed, r contract.Run) context.Context {
	info := &runInfo{Run: r, root: c.root}
	if c.uniqueKey != nil {
		info.key = *c.uniqueKey
	}
	ctx = context.WithValue(ctx, runKey{}, info)
	attrs := []slog.Attr{slog.String("task_id", c.id.String()), slog.String("task", c.name), slog.Int("attempt", c.attempt)}
	if c.tenant != nil {
		ctx = tenant.With(ctx, *c.tenant)
		attrs = append(attrs, slog.String("tenant_id", c.tenant.String()))
	}
	return service.WithLogAttrs(ctx, attrs...)
}
