package accounts_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/accounts"
	"makola/pkg/postgres"
	"makola/pkg/postgres/postgrestest"
	"makola/pkg/tenant"
)

const password = "correct horse battery"

type desk struct {
	*accounts.Sessions
	admin    *pgx.Conn
	notifier *postgres.DB
}

func newDesk(t *testing.T) desk {
	t.Helper()
	d := postgrestest.New(t)
	return desk{&accounts.Sessions{DB: d.Open("makola_gateway"), Hasher: accounts.NewHasher(), Keys: keys(t, keyA)}, d.Admin(), d.Open("makola_notifier")}
}

func (d desk) register(ctx context.Context, email, business string) (*accounts.Session, error) {
	hash, err := d.Hasher.Hash(ctx, password)
	if err != nil {
		return nil, err
	}
	var s *accounts.Session
	ctx = tenant.With(ctx, uuid.Must(uuid.NewV7()))
	err = d.DB.InTenant(ctx, func(tx *gorm.DB) error {
		p, err := accounts.Register(tx, accounts.Registration{Email: email, Name: "Ama", PasswordHash: hash, BusinessName: business}, time.Now())
		if err != nil {
			return err
		}
		s, err = d.Open(tx, p, accounts.Client{IP: "192.0.2.1", UserAgent: strings.Repeat("ö", 300)}, time.Now())
		return err
	})
	return s, err
}

func (d desk) count(t *testing.T, query string, args ...any) (n int) {
	t.Helper()
	require.NoError(t, d.admin.QueryRow(t.Context(), query, args...).Scan(&n))
	return n
}

func TestRegisterAndSignIn(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	registered, err := d.register(t.Context(), " Ama@Example.com", "Ama's Shop")
	require.NoError(t, err)
	require.Equal(t, "ama@example.com", registered.Profile.User.Email)

	s, err := d.SignIn(t.Context(), "AMA@example.com", password, accounts.Client{}, time.Now())
	require.NoError(t, err)
	require.Equal(t, registered.Profile.Business.ID, s.Profile.Business.ID)
	who, err := d.Keys.Check(s.Access, time.Now())
	require.NoError(t, err)
	require.Equal(t, accounts.Principal{User: s.Profile.User.ID, Tenant: s.Profile.Business.ID, Session: s.ID, Role: accounts.Owner}, who)
	require.Equal(t, 1, d.count(t, `select count(*) from accounts.user where last_login_at is not null`))

	for _, wrong := range [][2]string{{"ama@example.com", "wrong horse battery"}, {"kofi@example.com", password}, {"not an address", password}, {"ama@example.com", ""}} {
		_, err := d.SignIn(t.Context(), wrong[0], wrong[1], accounts.Client{}, time.Now())
		require.ErrorIs(t, err, accounts.ErrBadCredentials)
	}
	_, err = d.admin.Exec(t.Context(), `update accounts.user set is_active = false`)
	require.NoError(t, err)
	_, err = d.SignIn(t.Context(), "ama@example.com", password, accounts.Client{}, time.Now())
	require.ErrorIs(t, err, accounts.ErrBadCredentials)
	_, err = d.Refresh(t.Context(), s.Refresh, accounts.Client{}, time.Now())
	require.ErrorIs(t, err, accounts.ErrNotMember)
}

func TestRegisterLeavesNothingHalfWritten(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	_, err := d.register(t.Context(), "ama@example.com", "Ama's Shop")
	require.NoError(t, err)
	_, err = d.register(t.Context(), "AMA@example.com", "Another Shop")
	require.ErrorIs(t, err, accounts.ErrEmailTaken)
	_, err = d.register(t.Context(), "kofi@example.com", "AMA'S shop")
	require.ErrorIs(t, err, accounts.ErrBusinessNameTaken)
	_, err = d.register(t.Context(), "nobody", "Third Shop")
	require.ErrorIs(t, err, accounts.ErrInvalidEmail)
	require.Equal(t, 1, d.count(t, `select count(*) from accounts.user`))
	require.Equal(t, 1, d.count(t, `select count(*) from accounts.business`))

	var wg sync.WaitGroup
	won := make(chan *accounts.Session, 8)
	for range 8 {
		wg.Go(func() {
			if s, err := d.register(t.Context(), "yaa@example.com", "Yaa's Shop"); err == nil {
				won <- s
			}
		})
	}
	wg.Wait()
	require.Len(t, won, 1, "eight at the same moment, one of them wins")
}

func TestSignInReplacesAHashOfDjango(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	_, err := d.register(t.Context(), "ama@example.com", "Ama's Shop")
	require.NoError(t, err)
	_, err = d.admin.Exec(t.Context(), `update accounts.user set password_hash = $1`, accounts.PBKDF2Hash)
	require.NoError(t, err)
	for range 2 {
		_, err = d.SignIn(t.Context(), "ama@example.com", password, accounts.Client{}, time.Now())
		require.NoError(t, err)
	}
	require.Equal(t, 1, d.count(t, `select count(*) from accounts.user where password_hash like '$argon2id$v=19$m=19456,t=2,p=1$%'`))
}

func TestRefreshRotatesAndReuseEndsTheFamily(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	first, err := d.register(t.Context(), "ama@example.com", "Ama's Shop")
	require.NoError(t, err)
	refresh := func(token string) (*accounts.Session, error) {
		return d.Refresh(t.Context(), token, accounts.Client{}, time.Now())
	}
	second, err := refresh(first.Refresh)
	require.NoError(t, err)
	require.NotEqual(t, first.Refresh, second.Refresh)
	retried, err := refresh(first.Refresh)
	require.NoError(t, err, "the answer was lost on the way: one repetition within the grace")
	third, err := refresh(second.Refresh)
	require.NoError(t, err)

	other, err := d.SignIn(t.Context(), "ama@example.com", password, accounts.Client{}, time.Now())
	require.NoError(t, err)
	_, err = refresh(first.Refresh)
	require.ErrorIs(t, err, accounts.ErrRefreshToken, "a third use is a theft")
	for name, token := range map[string]string{"third": third.Refresh, "retried": retried.Refresh, "first": first.Refresh} {
		_, err = refresh(token)
		require.ErrorIs(t, err, accounts.ErrRefreshToken, name)
	}
	_, err = refresh(other.Refresh)
	require.NoError(t, err, "another session of the same person goes on")

	require.Zero(t, d.count(t, `select count(*) from accounts.refresh_token where token_hash = $1`, []byte(other.Refresh)), "only hashes are stored")
}

func TestRefreshAfterTheGraceIsReuse(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	first, err := d.register(t.Context(), "ama@example.com", "Ama's Shop")
	require.NoError(t, err)
	second, err := d.Refresh(t.Context(), first.Refresh, accounts.Client{}, time.Now())
	require.NoError(t, err)
	_, err = d.admin.Exec(t.Context(), `update accounts.refresh_token set rotated_at = rotated_at - interval '11 s'`)
	require.NoError(t, err)
	_, err = d.Refresh(t.Context(), first.Refresh, accounts.Client{}, time.Now())
	require.ErrorIs(t, err, accounts.ErrRefreshToken)
	_, err = d.Refresh(t.Context(), second.Refresh, accounts.Client{}, time.Now())
	require.ErrorIs(t, err, accounts.ErrRefreshToken)
}

func TestRefreshTokensEnd(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	s, err := d.register(t.Context(), "ama@example.com", "Ama's Shop")
	require.NoError(t, err)
	for _, token := range []string{"", "mrt_", "mrt_unknown", s.Access, s.Refresh + "x"} {
		_, err := d.Refresh(t.Context(), token, accounts.Client{}, time.Now())
		require.ErrorIs(t, err, accounts.ErrRefreshToken)
		require.NoError(t, d.SignOut(t.Context(), token, accounts.Client{}))
	}
	require.NoError(t, d.SignOut(t.Context(), s.Refresh, accounts.Client{}))
	require.NoError(t, d.SignOut(t.Context(), s.Refresh, accounts.Client{}))
	_, err = d.Refresh(t.Context(), s.Refresh, accounts.Client{}, time.Now())
	require.ErrorIs(t, err, accounts.ErrRefreshToken)

	s, err = d.SignIn(t.Context(), "ama@example.com", password, accounts.Client{}, time.Now())
	require.NoError(t, err)
	_, err = d.admin.Exec(t.Context(), `update accounts.refresh_token set expires_at = now()`)
	require.NoError(t, err)
	_, err = d.Refresh(t.Context(), s.Refresh, accounts.Client{}, time.Now())
	require.ErrorIs(t, err, accounts.ErrRefreshToken)
}

// Whatever the order in which a theft and an honest refresh meet, no token of the family is left in the end.
func TestReuseBesideRotationLeavesNoToken(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	first, err := d.register(t.Context(), "ama@example.com", "Ama's Shop")
	require.NoError(t, err)
	second, err := d.Refresh(t.Context(), first.Refresh, accounts.Client{}, time.Now())
	require.NoError(t, err)
	_, err = d.admin.Exec(t.Context(), `update accounts.refresh_token set rotated_at = rotated_at - interval '11 s' where rotated_at is not null`)
	require.NoError(t, err)
	var wg sync.WaitGroup
	for _, token := range []string{first.Refresh, second.Refresh, first.Refresh, second.Refresh} {
		wg.Go(func() { _, _ = d.Refresh(t.Context(), token, accounts.Client{}, time.Now()) })
	}
	wg.Wait()
	require.Zero(t, d.count(t, `select count(*) from accounts.refresh_token where revoked_at is null`))
}

func TestMeIsWalled(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	ama, err := d.register(t.Context(), "ama@example.com", "Ama's Shop")
	require.NoError(t, err)
	kofi, err := d.register(t.Context(), "kofi@example.com", "Kofi's Shop")
	require.NoError(t, err)
	me := func(user, business uuid.UUID) (p *accounts.Profile, err error) {
		err = d.DB.InTenant(tenant.With(t.Context(), business), func(tx *gorm.DB) error {
			p, err = accounts.Me(tx, user)
			return err
		})
		return p, err
	}
	p, err := me(ama.Profile.User.ID, ama.Profile.Business.ID)
	require.NoError(t, err)
	require.Equal(t, ama.Profile, p)
	_, err = me(ama.Profile.User.ID, kofi.Profile.Business.ID)
	require.ErrorIs(t, err, accounts.ErrNotMember)
	_, err = accounts.Register(nil, accounts.Registration{}, time.Now())
	require.ErrorIs(t, err, postgres.ErrNoTransaction)
}
