package tasks_test

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	accountspb "makola/proto/makola/accounts/v1"
)

func TestTwelveHundredIdleAccountsAreCleanedInThreeRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(`insert into accounts.user (id, email, name, password_hash, is_active, created_at, updated_at)
		select gen_random_uuid(), 'idle' || i || '@example.com', 'Idle ' || i, 'x', false, now() - interval '1 year', now() - interval '91 days' from generate_series(1, 1200) i`)
	clean := func() (id uuid.UUID) {
		w.inPlatform(func(ctx context.Context, tx *gorm.DB) (err error) {
			id, err = accountspb.NewTasks(w.Queue).CleanupInactiveUsers(ctx, tx, &accountspb.CleanupInactiveUsersArgs{})
			return err
		})
		w.Drain(t.Context())
		return id
	}
	clean()
	runs := w.Tasks(t.Context(), accountspb.CleanupInactiveUsersTask.Name)
	require.Len(t, runs, 3)
	for i, want := range []string{`{"status": "continued", "processed": 500}`, `{"status": "continued", "processed": 500}`, `{"status": "done", "processed": 200}`} {
		require.JSONEq(t, want, string(runs[i].Result))
	}
	require.Equal(t, 1200, w.count(`select count(*) from accounts.user where name = 'Deleted user' and email = 'deleted_' || id || '@deleted.invalid' and password_hash = ''`))
	require.Equal(t, 1200, w.count(`select count(distinct entity_id) from audit.entry where action = 'user.anonymized'`))
	require.Equal(t, 1, w.count(`select count(*) from accounts.user where id = $1 and name = 'Ama Mensah'`, w.owner))

	again := clean()
	require.Contains(t, string(w.View(t.Context(), again).Result), `"done"`)
	require.Equal(t, 1200, w.count(`select count(*) from audit.entry where action = 'user.anonymized'`), "twice changes nothing more")
	require.Empty(t, w.server.Mails(), "nobody is written to")
}
