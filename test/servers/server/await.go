package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// await asks a starting server again and again until it answers. When the program ends instead, or does not answer within
// startTimeout, everything it started is killed and the error quotes the end of its log.
func (p *process) await(ctx context.Context, name, log string, ask func(context.Context) error) error {
	parent := ctx
	ctx, cancel := context.WithTimeout(parent, startTimeout)
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := ask(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.exited:
			return fmt.Errorf("%s ended while starting (%w), see %s: %s", name, p.err, log, tail(log))
		case <-parent.Done(): // somebody does not want to wait any more: no fault of the server's
			return errors.Join(fmt.Errorf("wait for %s: %w", name, context.Cause(parent)), p.kill())
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("%s does not answer: %w, see %s: %s", name, err, log, tail(log)), p.kill())
		case <-ticker.C:
		}
	}
}

// tail is the end of a log, for error messages.
func tail(path string) string {
	const most = 1500
	raw, err := os.ReadFile(path) //nolint:gosec // a log of our own
	if err != nil {
		return "(no log: " + err.Error() + ")"
	}
	return strings.TrimSpace(string(raw[max(0, len(raw)-most):]))
}
