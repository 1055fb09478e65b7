package tasks_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/postgres/postgrestest"
	"makola/pkg/task/tasktest"
	"makola/proto/contract"
	reportspb "makola/proto/makola/reports/v1"
	"makola/services/reports-worker/internal/tasks"
)

func TestSelfTestAnswersWithItsNoteAndWhoRanIt(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t).Open("makola_reports")
	h := tasktest.New(t, db)
	reportspb.HandleTasks(h, &tasks.Reports{Instance: "reports-1"})
	var id uuid.UUID
	require.NoError(t, db.InSystem(t.Context(), func(tx *gorm.DB) (err error) {
		id, err = reportspb.NewTasks(h.Queue).SelfTest(t.Context(), tx, &reportspb.SelfTestArgs{Note: "is anybody there?"})
		return err
	}))

	require.Equal(t, 1, h.Drain(t.Context()))

	v := h.View(t.Context(), id)
	require.Equal(t, "completed", v.Status())
	require.JSONEq(t, `{"note": "is anybody there?", "ran_by": "reports-1"}`, string(v.Result))
}

func TestSelfTestReportsThreeStepsAndStopsWhenCancelled(t *testing.T) {
	t.Parallel()
	cancelled := errors.New("cancelled")
	tests := map[string]struct {
		cancelAfter time.Duration
		steps       []int64
		err         error
	}{
		"left alone":                 {time.Hour, []int64{1, 2, 3}, nil},
		"cancelled after the second": {700 * time.Millisecond, []int64{1, 2}, cancelled},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeoutCause(t.Context(), tt.cancelAfter, cancelled)
				defer cancel()
				var steps []int64
				run := contract.Run{Progress: func(done, total int64, _ string) {
					require.EqualValues(t, 3, total)
					steps = append(steps, done)
				}}
				_, err := (&tasks.Reports{}).SelfTest(ctx, run, &reportspb.SelfTestArgs{})
				require.ErrorIs(t, err, tt.err)
				require.Equal(t, tt.steps, steps)
			})
		})
	}
}
