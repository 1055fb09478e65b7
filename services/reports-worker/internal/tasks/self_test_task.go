package tasks

import (
	"context"
	"time"

	"gorm.io/gorm"

	"makola/proto/contract"
	reportspb "makola/proto/makola/reports/v1"
)

// The self-test takes three steps, each long enough for a person to see it and short enough for them not to wait.
const (
	selfTestSteps = 3
	selfTestPause = 300 * time.Millisecond
)

// SelfTest answers with the note it was given and the name of this process, after three steps of progress.
// LONG: it holds no transaction, and ends early when it is cancelled or out of time.
// Its file is not named self_test.go, because Go takes files that end in _test.go for tests.
func (r *Reports) SelfTest(ctx context.Context, run contract.Run, args *reportspb.SelfTestArgs) (contract.Commit[*reportspb.SelfTestResult], error) {
	step := time.NewTicker(selfTestPause)
	defer step.Stop()
	for done := range int64(selfTestSteps) {
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-step.C:
			run.Progress(done+1, selfTestSteps, "self-test")
		}
	}
	return func(*gorm.DB) (*reportspb.SelfTestResult, error) {
		return &reportspb.SelfTestResult{Note: args.GetNote(), RanBy: r.Instance}, nil
	}, nil
}
