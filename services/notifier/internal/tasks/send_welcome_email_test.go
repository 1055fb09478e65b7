package tasks_test

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/task"
	accountspb "makola/proto/makola/accounts/v1"
)

func TestAUserIsWelcomedOnce_WhoeverAsks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	accounts := accountspb.NewTasks(w.Queue)
	var first, second, third uuid.UUID
	ask := func(id *uuid.UUID) func(context.Context, *gorm.DB) error {
		return func(ctx context.Context, tx *gorm.DB) (err error) {
			*id, err = accounts.SendWelcomeEmail(ctx, tx, &accountspb.SendWelcomeEmailArgs{UserId: w.owner.String()})
			return err
		}
	}
	w.inPlatform(ask(&first)) // as a Celery client does
	w.Drain(t.Context())
	w.inShop(ask(&second)) // as the registration does
	w.inPlatform(ask(&third))
	w.Drain(t.Context())

	mails := w.server.Mails()
	require.Len(t, mails, 1)
	require.Equal(t, "Welcome to Makola, Ama's Provisions", mails[0].Subject)
	require.Equal(t, []string{"ama@example.com"}, mails[0].EnvelopeTo)
	require.Contains(t, mails[0].Text, "Hello Ama Mensah,")
	require.Contains(t, mails[0].HTML, "https://app.example.com")
	require.Contains(t, string(w.View(t.Context(), first).Result), `"queued"`)
	require.Contains(t, string(w.View(t.Context(), second).Result), `"already_queued"`)
	require.Contains(t, string(w.View(t.Context(), third).Result), `"already_queued"`)
	require.Equal(t, 1, w.count(`select count(*) from notifications.email where key = $1 and tenant_id = $2 and state = 'sent'`, "welcome:"+w.owner.String(), w.shop))
}

func TestAUserOfNoBusinessIsWelcomedToo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alone := uuid.New()
	w.addUser(alone, "kofi@example.com", "Kofi")
	w.inPlatform(func(ctx context.Context, tx *gorm.DB) error {
		_, err := accountspb.NewTasks(w.Queue).SendWelcomeEmail(ctx, tx, &accountspb.SendWelcomeEmailArgs{UserId: alone.String()})
		return err
	})
	w.Drain(t.Context())
	mails := w.server.To("kofi@example.com")
	require.Len(t, mails, 1)
	require.Equal(t, "Welcome to Makola", mails[0].Subject)
}

func TestWelcomesThatCanNeverSucceedFailAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	gone, broken := uuid.New(), uuid.New()
	w.addUser(gone, "deleted_1@example.com", "deleted")
	w.exec(`update accounts.user set anonymized_at = now() where id = $1`, gone)
	w.addUser(broken, "no address", "Nobody")
	for name, user := range map[string]string{"unknown": uuid.NewString(), "anonymised": gone.String(), "no address": broken.String(), "no id": "17"} {
		var id uuid.UUID
		w.inPlatform(func(ctx context.Context, tx *gorm.DB) (err error) {
			id, err = accountspb.NewTasks(w.Queue).SendWelcomeEmail(ctx, tx, &accountspb.SendWelcomeEmailArgs{UserId: user})
			return err
		})
		w.Drain(t.Context())
		v := w.View(t.Context(), id)
		require.Equal(t, "failed", v.Status(), name)
		require.Equal(t, task.KindPermanent, v.ErrorKind, name)
		require.Equal(t, 1, v.Attempts, name)
	}
	other := uuid.New()
	w.addUser(other, "kofi@example.com", "Kofi")
	var id uuid.UUID
	w.inShop(func(ctx context.Context, tx *gorm.DB) (err error) {
		id, err = accountspb.NewTasks(w.Queue).SendWelcomeEmail(ctx, tx, &accountspb.SendWelcomeEmailArgs{UserId: other.String()})
		return err
	})
	w.Drain(t.Context())
	require.Equal(t, task.KindPermanent, w.View(t.Context(), id).ErrorKind, "a business's task about somebody else's user")
	require.Zero(t, w.count(`select count(*) from notifications.email`))
}
