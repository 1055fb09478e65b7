package tasks_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/postgres/postgrestest"
	"makola/pkg/task/tasktest"
	inventorypb "makola/proto/makola/inventory/v1"
	"makola/services/inventory-worker/internal/tasks"
)

func TestSelfTestAnswersWithItsNoteAndWhoRanIt(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t).Open("makola_inventory")
	h := tasktest.New(t, db)
	inventorypb.HandleTasks(h, &tasks.Inventory{Instance: "inventory-1"})
	var id uuid.UUID
	require.NoError(t, db.InSystem(t.Context(), func(tx *gorm.DB) (err error) {
		id, err = inventorypb.NewTasks(h.Queue).SelfTest(t.Context(), tx, &inventorypb.SelfTestArgs{Note: "is anybody there?"})
		return err
	}))

	require.Equal(t, 1, h.Drain(t.Context()))

	v := h.View(t.Context(), id)
	require.Equal(t, "completed", v.Status())
	require.JSONEq(t, `{"note": "is anybody there?", "ran_by": "inventory-1"}`, string(v.Result))
}
