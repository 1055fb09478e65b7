package tasks_test

import (
	"context"
	"regexp"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/accounts"
	"makola/pkg/mail/mailbox"
	"makola/pkg/task"
	accountspb "makola/proto/makola/accounts/v1"
	notificationspb "makola/proto/makola/notifications/v1"
)

// tokenOf reads the token from a mail's link, as a reader's browser would.
func tokenOf(t *testing.T, m *mailbox.Mail) string {
	t.Helper()
	found := regexp.MustCompile(`#token=(m[a-z]{2}_[A-Za-z0-9_-]{43})\n`).FindStringSubmatch(m.Text)
	require.Len(t, found, 2, m.Text)
	require.Contains(t, m.HTML, found[1])
	return found[1]
}

// keepsNo requires that a token stands nowhere in the database.
func (w *world) keepsNo(token string) {
	w.t.Helper()
	require.Zero(w.t, w.count(`select count(*) from notifications.email e where e::text like '%' || $1 || '%'`, token), "the mail's row forgets it")
	require.Zero(w.t, w.count(`select count(*) from task.task x where x::text like '%' || $1 || '%'`, token), "no task ever knew it")
}

func (w *world) asGateway(fn func(tx *gorm.DB) error) error {
	w.t.Helper()
	return w.pg.Open("makola_gateway").InSystem(w.t.Context(), fn)
}

func TestAVerificationMailConfirmsTheAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	args := &accountspb.SendVerificationEmailArgs{UserId: w.owner.String(), TokenId: uuid.NewString()}
	for range 2 { // the same mail, asked for twice
		w.inShop(func(ctx context.Context, tx *gorm.DB) error {
			_, err := accountspb.NewTasks(w.Queue).SendVerificationEmail(ctx, tx, args)
			return err
		})
		w.Drain(t.Context())
	}
	mails := w.server.To("ama@example.com")
	require.Len(t, mails, 1)
	require.Equal(t, "Confirm your e-mail address", mails[0].Subject)
	token := tokenOf(t, mails[0])
	w.keepsNo(token)
	require.Equal(t, 1, w.count(`select count(*) from notifications.email where key = 'verify:' || $1 and state = 'sent' and data = '{}' and body_text is null`, args.GetTokenId()))
	require.NoError(t, w.asGateway(func(tx *gorm.DB) error {
		u, err := accounts.VerifyEmail(tx, token, accounts.Client{})
		require.Equal(t, w.owner, u.ID)
		return err
	}))
}

func TestAPasswordResetMailGoesToWhoeverHasTheAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ask := func(email string) string {
		var id uuid.UUID
		w.inPlatform(func(ctx context.Context, tx *gorm.DB) (err error) {
			id, err = accountspb.NewTasks(w.Queue).SendPasswordResetEmail(ctx, tx, &accountspb.SendPasswordResetEmailArgs{Email: email, TokenId: uuid.NewString()})
			return err
		})
		w.Drain(t.Context())
		return string(w.View(t.Context(), id).Result)
	}
	require.Contains(t, ask(" AMA@example.com"), `"queued"`)
	for _, nobody := range []string{"kofi@example.com", "not an address", "", "ama@example.com\r\nBcc: x@example.com"} {
		require.Contains(t, ask(nobody), `"no_account"`, nobody)
	}
	mails := w.server.Mails()
	require.Len(t, mails, 1)
	require.Equal(t, []string{"ama@example.com"}, mails[0].EnvelopeTo)
	w.keepsNo(tokenOf(t, mails[0]))
	for range 6 {
		ask("ama@example.com")
	}
	require.Len(t, w.server.Mails(), 5, "five an hour")
	w.exec(`update accounts.user set is_active = false`)
	require.Contains(t, ask("ama@example.com"), `"no_account"`)
}

func TestAMailWhoseTokenIsForgottenCannotBeReplayed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.server.RejectRecipient("ama@example.com", 550, "no such user", 1)
	w.inPlatform(func(ctx context.Context, tx *gorm.DB) error {
		_, err := accountspb.NewTasks(w.Queue).SendPasswordResetEmail(ctx, tx, &accountspb.SendPasswordResetEmailArgs{Email: "ama@example.com", TokenId: uuid.NewString()})
		return err
	})
	w.Drain(t.Context())
	var mailID, again uuid.UUID
	require.NoError(t, w.admin.QueryRow(t.Context(), `select id from notifications.email where state = 'refused' and data = '{}' and body_text is null and body_html is null`).Scan(&mailID))
	w.inShop(func(ctx context.Context, tx *gorm.DB) (err error) {
		again, err = w.notify.SendEmail(ctx, tx, &notificationspb.SendEmailArgs{EmailId: mailID.String()})
		return err
	})
	w.Drain(t.Context())
	v := w.View(t.Context(), again)
	require.Equal(t, task.KindPermanent, v.ErrorKind)
	require.Contains(t, v.Error, "forgotten")
	require.Empty(t, w.server.Mails())
}

func TestAChangedPasswordIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.inShop(func(ctx context.Context, tx *gorm.DB) error {
		_, err := accountspb.NewTasks(w.Queue).SendPasswordChangedEmail(ctx, tx, &accountspb.SendPasswordChangedEmailArgs{UserId: w.owner.String(), ChangeId: uuid.NewString(), Ip: "192.0.2.7"})
		return err
	})
	w.Drain(t.Context())
	mails := w.server.To("ama@example.com")
	require.Len(t, mails, 1)
	require.Contains(t, mails[0].Text, "192.0.2.7")
	require.Regexp(t, `Time +\d+ \w+ 20\d\d, \d\d:\d\d GMT`, mails[0].Text)
}

func TestAnInvitationSentAgainReplacesItsLink(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := uuid.New()
	w.exec(`insert into accounts.invitation (id, tenant_id, email, role, storefront_ids, invited_by, expires_at) values ($1, $2, 'kofi@example.com', 'MANAGER', array[gen_random_uuid()], $3, now() + interval '7 days')`, id, w.shop, w.owner)
	send := func(n int32) string {
		var taskID uuid.UUID
		w.inShop(func(ctx context.Context, tx *gorm.DB) (err error) {
			taskID, err = accountspb.NewTasks(w.Queue).SendInvitationEmail(ctx, tx, &accountspb.SendInvitationEmailArgs{InvitationId: id.String(), Number: n})
			return err
		})
		w.Drain(t.Context())
		return string(w.View(t.Context(), taskID).Result)
	}
	look := func(token string) error {
		return w.asGateway(func(tx *gorm.DB) error { _, err := accounts.LookAtInvitation(tx, token); return err })
	}
	require.Contains(t, send(1), `"queued"`)
	require.Contains(t, send(1), `"already_queued"`)
	require.Contains(t, send(2), `"queued"`)
	require.Contains(t, send(1), `"already_queued"`, "late")
	mails := w.server.To("kofi@example.com")
	require.Len(t, mails, 2)
	require.Equal(t, "Join Ama's Provisions on Makola", mails[0].Subject)
	first, second := tokenOf(t, mails[0]), tokenOf(t, mails[1])
	w.keepsNo(first)
	w.keepsNo(second)
	require.ErrorIs(t, look(first), accounts.ErrInvitationNotFound)
	require.NoError(t, look(second))

	w.exec(`update accounts.invitation set status = 'REVOKED'`)
	require.Contains(t, send(3), `"not_pending"`)
	require.Len(t, w.server.Mails(), 2)
}

func TestInvitationsOfAllBusinessesExpire(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other, kofi := uuid.New(), uuid.New()
	w.addUser(kofi, "kofi@example.com", "Kofi")
	w.exec(`insert into accounts.business (id, owner_id, name, email) values ($1, $2, 'Other', 'o@example.com')`, other, kofi)
	for shop, inviter := range map[uuid.UUID]uuid.UUID{w.shop: w.owner, other: kofi} {
		for email, state := range map[string]string{"late@example.com": "- interval '1 minute'", "early@example.com": "+ interval '1 day'"} {
			w.exec(`insert into accounts.invitation (id, tenant_id, email, role, invited_by, expires_at) values (gen_random_uuid(), $1, $2, 'STAFF', $3, now() `+state+`)`, shop, email, inviter)
		}
	}
	for _, want := range []string{`"expired":2`, `"expired":0`} {
		var id uuid.UUID
		w.inPlatform(func(ctx context.Context, tx *gorm.DB) (err error) {
			id, err = accountspb.NewTasks(w.Queue).ExpireInvitations(ctx, tx, &accountspb.ExpireInvitationsArgs{})
			return err
		})
		w.Drain(t.Context())
		require.Regexp(t, regexp.QuoteMeta(want)+`|"expired": `+want[len(want)-1:], string(w.View(t.Context(), id).Result))
	}
	require.Equal(t, 2, w.count(`select count(*) from accounts.invitation where status = 'EXPIRED' and ended_at is not null and email = 'late@example.com'`))
	require.Equal(t, 2, w.count(`select count(*) from accounts.invitation where status = 'PENDING'`))
	require.Equal(t, 2, w.count(`select count(*) from audit.entry where action = 'invitation.expired' and tenant_id is not null`))
}
