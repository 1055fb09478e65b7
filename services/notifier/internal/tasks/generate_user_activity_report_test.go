package tasks_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/accounts"
	"makola/pkg/task"
	accountspb "makola/proto/makola/accounts/v1"
)

// openShop adds a business with its owner, who may want the mails.
func (w *world) openShop(name, email string, wanted bool) uuid.UUID {
	w.t.Helper()
	shop, owner := uuid.New(), uuid.New()
	w.addUser(owner, email, "Owner of "+name)
	w.exec(`insert into accounts.business (id, owner_id, name, email) values ($1, $2, $3, 'shop@example.com')`, shop, owner, name)
	w.exec(`insert into accounts.membership (tenant_id, user_id, role) values ($1, $2, 'OWNER')`, shop, owner)
	w.exec(`update accounts.business_settings set activity_reports = $2 where tenant_id = $1`, shop, wanted)
	return shop
}

// acted writes n entries of the owner's into the log of a business, on the Wednesday of the week that begins on monday.
func (w *world) acted(shop uuid.UUID, monday time.Time, action string, n int) {
	w.t.Helper()
	for i := range n {
		id := uuid.Must(uuid.NewV7()) // made now, which is later than the entry's time: it is found all the same
		w.exec(`insert into audit.entry (id, tenant_id, at, user_id, actor, action, entity) select $1, b.id, $3, b.owner_id, 'owner', $4, 'thing' from accounts.business b where b.id = $2`,
			id, shop, monday.AddDate(0, 0, 2).Add(time.Duration(i)*time.Minute), action)
	}
}

// sweep asks for everybody's reports, as cron does on its Monday.
func (w *world) sweep(monday time.Time) *task.View {
	w.t.Helper()
	var id uuid.UUID
	w.inPlatform(func(ctx context.Context, tx *gorm.DB) (err error) {
		id, err = accountspb.NewTasks(w.Queue).GenerateUserActivityReport(ctx, tx, &accountspb.GenerateUserActivityReportArgs{}, task.Unique(task.SlotKey("generate-user-activity-report", monday.Add(7*time.Hour))))
		return err
	})
	w.Drain(w.t.Context())
	return w.View(w.t.Context(), id)
}

// result is the latest result of a business's task.
func (w *world) result(shop uuid.UUID) (text string) {
	w.t.Helper()
	require.NoError(w.t, w.admin.QueryRow(w.t.Context(), `select result::text from task.task where name = 'accounts.generate_user_activity_report' and tenant_id = $1 and state = 'succeeded' order by id desc limit 1`, shop).Scan(&text))
	return text
}

func TestTheWeekOfPeopleIsKeptForAllAndMailedToThoseWhoAsked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	from, monday := accounts.LastWeek(time.Now(), "UTC")
	wants, quiet, broken := w.openShop("Wants", "wants@example.com", true), w.openShop("Wants too", "quiet@example.com", true), w.openShop("Broken", "no address", true)
	closed := w.openShop("Closed", "closed@example.com", true)
	w.exec(`update accounts.business set is_active = false where id = $1`, closed)
	w.acted(w.shop, from, "LOGIN", 2)
	w.acted(wants, from, "LOGIN", 1)
	w.acted(wants, from, "SALE", 30)
	w.acted(wants, from.AddDate(0, 0, -7), "SALE", 5)
	w.acted(broken, from, "LOGOUT", 1)
	w.acted(closed, from, "LOGIN", 4)

	everybody := w.sweep(monday)
	week := from.Format(time.DateOnly)
	require.JSONEq(t, fmt.Sprintf(`{"status": "fanned_out", "week_start": %q, "logins": 7, "people": 4, "actions": 38, "businesses": 4}`, week), string(everybody.Result))
	require.JSONEq(t, fmt.Sprintf(`{"status": "sent", "week_start": %q, "logins": 1, "people": 1, "actions": 31, "businesses": 0}`, week), w.result(wants))
	require.Contains(t, w.result(w.shop), `"recorded"`, "the switch is off at first")
	require.Contains(t, w.result(quiet), `"no_data"`)
	require.Contains(t, w.result(broken), `"no_recipient"`, "who cannot be written to has the report all the same")
	require.Equal(t, 4, w.count(`select count(*) from accounts.activity_report where week_start = $1::text::date`, week))
	require.Equal(t, 1, w.count(`select count(*) from accounts.platform_activity where businesses = 4 and logins = 7 and logouts = 1 and actions = 38`))
	mails := w.server.Mails()
	require.Len(t, mails, 1)
	require.Equal(t, []string{"wants@example.com"}, mails[0].EnvelopeTo)
	require.Contains(t, mails[0].Subject, "Who did what at Wants")
	for _, part := range []string{mails[0].Text, mails[0].HTML} {
		require.Contains(t, part, "Sold something")
		require.Contains(t, part, "Owner of Wants")
	}
	require.Contains(t, mails[0].Text, "https://api.example.com/unsubscribe/", "whoever reads it can stop it")

	// A second sweep, such as an operator's, makes no second row and no second mail.
	w.inPlatform(func(ctx context.Context, tx *gorm.DB) error {
		_, err := accountspb.NewTasks(w.Queue).GenerateUserActivityReport(ctx, tx, &accountspb.GenerateUserActivityReportArgs{})
		return err
	})
	w.Drain(t.Context())
	require.Contains(t, w.result(wants), `"already_sent"`)
	require.Equal(t, 4, w.count(`select count(*) from accounts.activity_report`))
	require.Equal(t, 1, w.count(`select count(*) from accounts.platform_activity`))
	require.Len(t, w.server.Mails(), 1)
	require.Zero(t, w.count(`select count(*) from task.task where state = 'failed'`))
}

func TestABusinesssReportIsAskedForByItselfAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.openShop("Other", "other@example.com", true).String()
	nonsense, gone := "17", uuid.NewString()
	for name, args := range map[string]*accountspb.GenerateUserActivityReportArgs{"none": {}, "another's": {BusinessId: &other}, "no id": {BusinessId: &nonsense}, "nobody's": {BusinessId: &gone}} {
		var id uuid.UUID
		ask := func(ctx context.Context, tx *gorm.DB) (err error) {
			id, err = accountspb.NewTasks(w.Queue).GenerateUserActivityReport(ctx, tx, args)
			return err
		}
		if name == "nobody's" {
			w.inPlatform(ask)
		} else {
			w.inShop(ask)
		}
		w.Drain(t.Context())
		v := w.View(t.Context(), id)
		require.Equal(t, task.Failed, v.State, name)
		require.Equal(t, 1, v.Attempts, "%s: it is not tried again", name)
	}
	require.Zero(t, w.count(`select count(*) from accounts.activity_report`))
}
