package accounts_test

import (
	"math/rand/v2"
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

// yard is where accounts are left alone for a long time.
type yard struct {
	admin    *pgx.Conn
	notifier *postgres.DB
	n        int
}

func newYard(t *testing.T) *yard {
	t.Helper()
	pg := postgrestest.New(t)
	return &yard{admin: pg.Admin(), notifier: pg.Open("makola_notifier")}
}

func (y *yard) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	_, err := y.admin.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}

func (y *yard) count(t *testing.T, sql string, args ...any) (n int) {
	t.Helper()
	require.NoError(t, y.admin.QueryRow(t.Context(), sql, args...).Scan(&n))
	return n
}

// left is an account that was touched days ago for the last time.
type left struct {
	active, verified bool
	days             int
}

func (y *yard) account(t *testing.T, l left) uuid.UUID {
	t.Helper()
	y.n++
	id := uuid.Must(uuid.NewV7())
	y.exec(t, `insert into accounts.user (id, email, name, password_hash, is_active, email_verified, created_at, updated_at)
		values ($1, 'person' || $2::int || '@example.com', 'Person ' || $2::int, 'secret', $3, $4, now() - interval '2 years', now() - $5::int * interval '1 day')`, id, y.n, l.active, l.verified, l.days)
	return id
}

// shop opens a business; the first is its owner, and owner_id names them.
func (y *yard) shop(t *testing.T, active bool, owners ...uuid.UUID) uuid.UUID {
	t.Helper()
	y.n++
	id := uuid.Must(uuid.NewV7())
	y.exec(t, `insert into accounts.business (id, owner_id, name, email, is_active) values ($1, $2, 'Shop ' || $3::int, 'shop@example.com', $4)`, id, owners[0], y.n, active)
	for _, owner := range owners {
		y.join(t, id, owner, accounts.Owner)
	}
	return id
}

func (y *yard) join(t *testing.T, shop, user uuid.UUID, role accounts.Role) {
	t.Helper()
	y.exec(t, `insert into accounts.membership (tenant_id, user_id, role) values ($1, $2, $3)`, shop, user, string(role))
}

func (y *yard) clean(t *testing.T, limit int) (n int, more bool) {
	t.Helper()
	require.NoError(t, y.notifier.InSystem(t.Context(), func(tx *gorm.DB) (err error) {
		n, more, err = accounts.AnonymizeUntouched(tx, limit)
		return err
	}))
	return n, more
}

func (y *yard) gone(t *testing.T, id uuid.UUID) bool {
	t.Helper()
	return y.count(t, `select count(*) from accounts.user where id = $1 and anonymized_at is not null`, id) == 1
}

func TestAnAccountThatNobodyUsesIsLeftWithAnIDAlone(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	owner := y.account(t, left{true, true, 0})
	shop := y.shop(t, true, owner)
	cashier := y.account(t, left{false, true, 91})
	y.join(t, shop, cashier, accounts.Staff)
	y.exec(t, `update accounts.user set platform_role = 'SAAS_STAFF', language = 'fr', last_login_at = now() - interval '200 days' where id = $1`, cashier)
	y.exec(t, `insert into accounts.refresh_token (id, family_id, user_id, token_hash, issued_at, expires_at, ip, user_agent) values (gen_random_uuid(), gen_random_uuid(), $1, 'a', now() - interval '100 days', now() - interval '70 days', '192.0.2.1', 'phone')`, cashier)
	y.exec(t, `insert into accounts.email_verification_token (id, user_id, token_hash, expires_at) values (gen_random_uuid(), $1, 'a', now())`, cashier)
	y.exec(t, `insert into accounts.password_reset_token (id, user_id, token_hash, expires_at) values (gen_random_uuid(), $1, 'a', now())`, cashier)
	y.exec(t, `insert into accounts.storefront_assignment (tenant_id, user_id, storefront_id) values ($1, $2, gen_random_uuid())`, shop, cashier)
	y.exec(t, `insert into accounts.invitation (id, tenant_id, email, role, status, invited_by, expires_at, accepted_by, ended_at) values (gen_random_uuid(), $1, 'person2@example.com', 'STAFF', 'ACCEPTED', $2, now(), $3, now())`,
		shop, owner, cashier)
	y.exec(t, `insert into accounts.invitation (id, tenant_id, email, role, invited_by, expires_at) values (gen_random_uuid(), $1, 'else@example.com', 'STAFF', $2, now() + interval '1 day')`, shop, cashier)
	y.exec(t, `insert into sales.customer (id, tenant_id, name, currency) values (md5('c')::uuid, $1, 'Kofi', 'GHS')`, shop)
	y.exec(t, `insert into inventory.location (id, tenant_id, kind, name, code) values (md5('l')::uuid, $1, 'STOREFRONT', 'Main', 'MAIN')`, shop)
	y.exec(t, `insert into sales.sale (id, tenant_id, storefront_id, user_id, customer_id, receipt_number, status, currency, subtotal_minor, total_minor, paid_minor, payment_type, completed_at)
		values (md5('s')::uuid, $1, md5('l')::uuid, $2, md5('c')::uuid, 'R1', 'COMPLETED', 'GHS', 300, 300, 300, 'CASH', now() - interval '1 year')`, shop, cashier)

	n, more := y.clean(t, 500)
	require.Equal(t, 1, n)
	require.False(t, more)
	var email, name, hash, platform, language string
	var verified, active bool
	var login *time.Time
	require.NoError(t, y.admin.QueryRow(t.Context(), `select email, name, password_hash, platform_role, language, email_verified, is_active, last_login_at from accounts.user where id = $1 and anonymized_at = updated_at`, cashier).
		Scan(&email, &name, &hash, &platform, &language, &verified, &active, &login))
	require.Equal(t, []string{"deleted_" + cashier.String() + "@deleted.invalid", "Deleted user", "", "NONE", "en"}, []string{email, name, hash, platform, language})
	require.False(t, verified || active)
	require.Nil(t, login)
	for _, table := range []string{"refresh_token", "email_verification_token", "password_reset_token", "storefront_assignment"} {
		require.Zero(t, y.count(t, `select count(*) from accounts.`+table), table)
	}
	require.Equal(t, 1, y.count(t, `select count(*) from accounts.invitation where accepted_by = $1 and email = $2`, cashier, email))
	require.Equal(t, 1, y.count(t, `select count(*) from accounts.invitation where invited_by = $1 and email = 'else@example.com' and status = 'PENDING'`, cashier), "somebody else's address is not theirs")
	require.Equal(t, 1, y.count(t, `select count(*) from accounts.membership where user_id = $1 and not is_active`, cashier), "the place in the list of members is history")
	require.Equal(t, 1, y.count(t, `select count(*) from sales.sale s join accounts.user u on u.id = s.user_id where u.name = 'Deleted user'`), "what they sold is still somebody's")
	require.Equal(t, 1, y.count(t, `select count(*) from audit.entry where tenant_id = $1 and user_id is null and actor = 'task:accounts.cleanup_inactive_users' and action = 'user.anonymized' and entity = 'user' and entity_id = $2 and changes = '{"reason": "inactive"}'`,
		shop, cashier.String()))
	require.Zero(t, y.count(t, `select count(*) from audit.entry where changes::text ~ 'example'`), "the log does not keep the name that was taken")

	y.exec(t, `update accounts.user set updated_at = now() - interval '91 days' where id = $1`, cashier)
	n, _ = y.clean(t, 500)
	require.Zero(t, n, "once is for ever, also 90 days later")
	require.Equal(t, 1, y.count(t, `select count(*) from audit.entry where action = 'user.anonymized'`))
}

func TestWhoIsCleanedAndWhoIsKept(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	kept, gone := map[string]uuid.UUID{}, map[string]uuid.UUID{}
	used := func(days int) func(uuid.UUID) {
		return func(id uuid.UUID) {
			y.exec(t, `insert into accounts.refresh_token (id, family_id, user_id, token_hash, issued_at, expires_at) values (gen_random_uuid(), gen_random_uuid(), $1::uuid, $1::uuid::text::bytea, now() - $2::int * interval '1 day', now() + interval '1 day')`, id, days)
		}
	}
	nothing := func(uuid.UUID) {}
	add := func(to map[string]uuid.UUID, name string, l left, then func(uuid.UUID)) {
		to[name] = y.account(t, l)
		then(to[name])
	}
	add(gone, "switched off 91 days ago", left{false, true, 91}, nothing)
	add(kept, "switched off 89 days ago", left{false, true, 89}, nothing)
	add(gone, "never confirmed for 91 days", left{true, false, 91}, nothing)
	add(kept, "never confirmed for 89 days", left{true, false, 89}, nothing)
	add(kept, "confirmed and in use, if seldom", left{true, true, 400}, nothing)
	add(kept, "never confirmed, signed in 30 days ago", left{true, false, 400}, func(id uuid.UUID) {
		y.exec(t, `update accounts.user set last_login_at = now() - interval '30 days' where id = $1`, id)
	})
	add(kept, "never confirmed, a session that is refreshed", left{true, false, 400}, used(5))
	add(gone, "never confirmed, a session of long ago", left{true, false, 400}, used(91))
	add(kept, "never confirmed, of the platform", left{true, false, 400}, func(id uuid.UUID) {
		y.exec(t, `update accounts.user set platform_role = 'SAAS_ADMIN' where id = $1`, id)
	})
	add(kept, "the one owner of a live business, switched off", left{false, true, 400}, func(id uuid.UUID) { y.shop(t, true, id) })
	add(kept, "the one owner of a live business, never confirmed", left{true, false, 400}, func(id uuid.UUID) { y.shop(t, true, id) })
	add(gone, "the one owner of a closed business", left{false, true, 400}, func(id uuid.UUID) { y.shop(t, false, id) })
	add(kept, "named as owner without a membership", left{false, true, 400}, func(id uuid.UUID) {
		y.exec(t, `insert into accounts.business (id, owner_id, name, email) values (gen_random_uuid(), $1, 'Nameless', 'shop@example.com')`, id)
	})
	var handed uuid.UUID
	heir := y.account(t, left{true, true, 0})
	add(gone, "an owner beside another", left{false, true, 400}, func(id uuid.UUID) { handed = y.shop(t, true, id, heir) })
	first := y.account(t, left{true, false, 400})
	kept["one of two idle owners"] = first
	add(kept, "the other of two idle owners", left{true, false, 400}, func(id uuid.UUID) { y.shop(t, true, first, id) })
	off := y.account(t, left{true, true, 0})
	add(kept, "beside an owner who left", left{false, true, 400}, func(id uuid.UUID) {
		shop := y.shop(t, true, id, off)
		y.exec(t, `update accounts.membership set is_active = false where tenant_id = $1 and user_id = $2`, shop, off)
	})

	n, more := y.clean(t, 500)
	require.Equal(t, len(gone), n)
	require.False(t, more)
	for name, id := range gone {
		require.True(t, y.gone(t, id), name)
	}
	for name, id := range kept {
		require.False(t, y.gone(t, id), name)
		require.Equal(t, 1, y.count(t, `select count(*) from accounts.user where id = $1 and password_hash = 'secret' and name like 'Person %'`, id), name)
	}
	require.Equal(t, 1, y.count(t, `select count(*) from accounts.business where id = $1 and owner_id = $2`, handed, heir), "the business names the owner that it still has")
	require.Equal(t, 3, y.count(t, `select count(*) from audit.entry where action = 'user.anonymized' and tenant_id is null`), "people of no business are in the platform's log")
	n, _ = y.clean(t, 500)
	require.Zero(t, n)
}

// Random people in random businesses against the rule, written down a second time.
func TestTheCleanUpKeepsToItsRuleWhoeverThereIs(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	const seed = 20261126
	random := rand.New(rand.NewPCG(seed, 1))
	type person struct {
		left
		role accounts.Role
	}
	want := map[uuid.UUID]bool{}
	for range 60 {
		live := random.IntN(3) > 0
		var people []person
		for range 1 + random.IntN(4) {
			role := accounts.Staff
			if len(people) == 0 || random.IntN(3) == 0 {
				role = accounts.Owner
			}
			people = append(people, person{left{random.IntN(2) == 0, random.IntN(2) == 0, []int{80, 89, 91, 99}[random.IntN(4)]}, role})
		}
		ids := make([]uuid.UUID, len(people))
		for i, p := range people {
			ids[i] = y.account(t, p.left)
		}
		shop := y.shop(t, live, ids[0])
		for i := 1; i < len(ids); i++ {
			y.join(t, shop, ids[i], people[i].role)
		}
		for i, p := range people {
			idle := p.days > 90 && (!p.active || !p.verified)
			needed := live && p.role == accounts.Owner
			for k, other := range people {
				if k != i && other.role == accounts.Owner && other.active && other.verified {
					needed = false
				}
			}
			want[ids[i]] = idle && !needed
		}
	}
	total := 0
	for range 1000 {
		n, more := y.clean(t, 7)
		total += n
		if !more {
			break
		}
	}
	expected := 0
	for id, goes := range want {
		if goes {
			expected++
		}
		require.Equal(t, goes, y.gone(t, id), "seed %d, %s", seed, id)
	}
	require.Equal(t, expected, total)
	require.Positive(t, expected)
	require.Zero(t, y.count(t, `select count(*) from accounts.business b join accounts.user u on u.id = b.owner_id where b.is_active and u.anonymized_at is not null`), "no live business is owned by nobody")
	require.Equal(t, total, y.count(t, `select count(*) from audit.entry where action = 'user.anonymized'`))
	n, more := y.clean(t, 500)
	require.Zero(t, n)
	require.False(t, more)
}

func TestTwoCleanUpsAtOnceDoItOnce(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	for range 20 {
		y.account(t, left{false, true, 100})
	}
	sums := make(chan int, 4)
	for range cap(sums) {
		go func() {
			n := 0
			err := y.notifier.InSystem(t.Context(), func(tx *gorm.DB) (err error) {
				n, _, err = accounts.AnonymizeUntouched(tx, 500)
				return err
			})
			if err != nil {
				n = -1000
			}
			sums <- n
		}()
	}
	total := 0
	for range cap(sums) {
		total += <-sums
	}
	require.Equal(t, 20, total)
	require.Equal(t, 20, y.count(t, `select count(*) from audit.entry where action = 'user.anonymized'`))
}

func TestNotifierCanTakeTheNameFromNobodyWhoIsUsingIt(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	owner, cashier := y.account(t, left{true, true, 0}), y.account(t, left{true, true, 400})
	shop := y.shop(t, true, owner)
	y.join(t, shop, cashier, accounts.Staff)
	require.NoError(t, y.notifier.InSystem(t.Context(), func(tx *gorm.DB) error {
		if err := postgres.BindTenants(tx, []uuid.UUID{shop}); err != nil {
			return err
		}
		_, err := postgres.Exec(tx, `select accounts.anonymize_untouched($1)`, []uuid.UUID{owner, cashier})
		return err
	}))
	require.Zero(t, y.count(t, `select count(*) from accounts.user where anonymized_at is not null`))
	idle := y.account(t, left{false, true, 400})
	y.shop(t, true, idle)
	require.NoError(t, y.notifier.InTenant(tenant.With(t.Context(), shop), func(tx *gorm.DB) error {
		n, more, err := accounts.AnonymizeUntouched(tx, 500)
		require.Zero(t, n)
		require.False(t, more)
		return err
	}), "a tenant's transaction does not see who owns what, and takes nobody's name")
	require.Zero(t, y.count(t, `select count(*) from accounts.user where anonymized_at is not null`), "%s", idle)
}
