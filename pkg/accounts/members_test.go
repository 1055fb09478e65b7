package accounts_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"
	"pgregory.net/rapid"

	"makola/pkg/accounts"
	"makola/pkg/postgres/postgrestest"
	"makola/pkg/tenant"
)

// The matrix as the specification has it, written down a second time.
func TestTheMatrixIsWhatWasAgreed(t *testing.T) {
	t.Parallel()
	admin := postgrestest.New(t).Admin()
	everybody := "OWNER ADMIN MANAGER CASHIER WAREHOUSE_STAFF"
	want := map[accounts.Permission]string{
		accounts.CreateSales: "OWNER ADMIN MANAGER CASHIER", accounts.ViewSales: "OWNER ADMIN MANAGER CASHIER", accounts.ApproveSales: "OWNER ADMIN MANAGER", accounts.DeleteSales: "OWNER ADMIN",
		accounts.ManageProducts: "OWNER ADMIN", accounts.ViewInventory: everybody, accounts.ViewProducts: everybody, accounts.UpdateStock: "OWNER ADMIN MANAGER WAREHOUSE_STAFF",
		accounts.ManageCustomers: "OWNER ADMIN", accounts.ViewCustomers: "OWNER ADMIN MANAGER CASHIER", accounts.ViewReports: "OWNER ADMIN MANAGER", accounts.ExportReports: "OWNER ADMIN MANAGER",
		accounts.ManageUsers: "OWNER ADMIN", accounts.InviteUsers: "OWNER ADMIN", accounts.ManageSettings: "OWNER ADMIN", accounts.ViewFinancialData: "OWNER ADMIN MANAGER", accounts.ManagePayments: "OWNER ADMIN",
		accounts.ManagePlatform: "", accounts.ManageSubscriptions: "", accounts.ViewPlatformStats: "", accounts.ManagePlans: "",
	}
	require.Len(t, want, 21)
	var known []string
	for _, p := range accounts.AllPermissions() {
		known = append(known, string(p))
	}
	rows, err := admin.Query(t.Context(), `select p.codename, coalesce(string_agg(r.role, ' ' order by r.role), '') from accounts.permission p left join accounts.role_permission r on r.permission = p.codename group by 1`)
	require.NoError(t, err)
	var found []string
	for rows.Next() {
		var permission, roles string
		require.NoError(t, rows.Scan(&permission, &roles))
		found = append(found, permission)
		expected := append(strings.Fields(want[accounts.Permission(permission)]), "SUPER_USER")
		slices.Sort(expected)
		require.Equal(t, expected, strings.Fields(roles), permission)
	}
	require.NoError(t, rows.Err())
	slices.Sort(found)
	slices.Sort(known)
	require.Equal(t, known, found, "the code knows the permissions that the database has")
}

// staff is a shop with several members, and what changes them.
type staff struct {
	desk
	ctx  context.Context
	shop uuid.UUID
	ids  []uuid.UUID
}

func newStaff(t *testing.T, roles ...accounts.Role) staff {
	t.Helper()
	s := staff{desk: newDesk(t), shop: uuid.Must(uuid.NewV7())}
	s.ctx = tenant.With(t.Context(), s.shop)
	for i, role := range roles {
		id := uuid.Must(uuid.NewV7())
		s.ids = append(s.ids, id)
		_, err := s.admin.Exec(t.Context(), `insert into accounts.user (id, email, name, password_hash) values ($1::uuid, $1::uuid::text || '@example.com', 'x', '!')`, id)
		require.NoError(t, err)
		if i == 0 {
			_, err = s.admin.Exec(t.Context(), `insert into accounts.business (id, owner_id, name, email) values ($1, $2, 'Shop', 'shop@example.com')`, s.shop, id)
			require.NoError(t, err)
		}
		_, err = s.admin.Exec(t.Context(), `insert into accounts.membership (tenant_id, user_id, role) values ($1, $2, $3)`, s.shop, id, string(role))
		require.NoError(t, err)
	}
	return s
}

// as returns member i as Authorize sees them.
func (s staff) as(i int) (accounts.Principal, error) {
	return s.Authorize(s.ctx, accounts.Principal{User: s.ids[i], Tenant: s.shop, Role: accounts.Owner})
}

func (s staff) change(who accounts.Principal, i int, c accounts.MemberChange) error {
	return s.DB.InTenant(s.ctx, func(tx *gorm.DB) error {
		_, err := accounts.ChangeMember(tx, who, s.ids[i], c, func(_ *gorm.DB, ids []uuid.UUID) ([]uuid.UUID, error) { return ids, nil }, accounts.Client{})
		return err
	})
}

func (s staff) roles(t require.TestingT) (roles map[uuid.UUID]accounts.Role) {
	roles = map[uuid.UUID]accounts.Role{}
	rows, err := s.admin.Query(context.WithoutCancel(s.ctx), `select user_id, role, is_active from accounts.membership`)
	require.NoError(t, err)
	for rows.Next() {
		var id uuid.UUID
		var role accounts.Role
		var active bool
		require.NoError(t, rows.Scan(&id, &role, &active))
		if active {
			roles[id] = role
		}
	}
	require.NoError(t, rows.Err())
	return roles
}

// Whatever members do to each other: nobody below an owner touches an owner or makes one, the business has an active owner, and owner_id names one.
func TestWhateverMembersDoToEachOther(t *testing.T) {
	t.Parallel()
	s := newStaff(t, accounts.Owner, accounts.Owner, accounts.Admin, accounts.Admin, accounts.Manager, accounts.Staff)
	rapid.Check(t, func(rt *rapid.T) {
		for i, role := range []accounts.Role{accounts.Owner, accounts.Owner, accounts.Admin, accounts.Admin, accounts.Manager, accounts.Staff} {
			_, err := s.admin.Exec(context.WithoutCancel(s.ctx), `update accounts.membership set role = $2, is_active = true where user_id = $1`, s.ids[i], string(role))
			require.NoError(rt, err)
		}
		for range rapid.IntRange(1, 4).Draw(rt, "changes") {
			s.changeSomething(rt)
		}
	})
}

// changeSomething lets one member change another, or themselves, and looks at what came of it.
func (s staff) changeSomething(rt *rapid.T) {
	rank := map[accounts.Role]int{accounts.Staff: 1, accounts.Manager: 2, accounts.Admin: 3, accounts.Owner: 4}
	all := []accounts.Role{accounts.Owner, accounts.Admin, accounts.Manager, accounts.Staff}
	actor, target := rapid.IntRange(0, len(s.ids)-1).Draw(rt, "actor"), rapid.IntRange(0, len(s.ids)-1).Draw(rt, "target")
	var c accounts.MemberChange
	if rapid.Bool().Draw(rt, "role") {
		role := rapid.SampledFrom(all).Draw(rt, "to")
		c.Role = &role
	} else {
		active := rapid.IntRange(0, 2).Draw(rt, "active") > 0
		c.Active = &active
	}
	who, err := s.as(actor)
	if errors.Is(err, accounts.ErrNotMember) {
		return
	}
	require.NoError(rt, err)
	if !who.May(accounts.ManageUsers) {
		return // the gateway lets nobody else ask
	}
	before := s.roles(rt)
	err = s.change(who, target, c)
	after := s.roles(rt)
	if err != nil {
		require.Equal(rt, before, after)
		return
	}
	require.LessOrEqual(rt, rank[before[s.ids[target]]], rank[before[s.ids[actor]]])
	if before[s.ids[target]] != after[s.ids[target]] {
		require.LessOrEqual(rt, rank[after[s.ids[target]]], rank[before[s.ids[actor]]])
	}
	var owner uuid.UUID
	require.NoError(rt, s.admin.QueryRow(context.WithoutCancel(s.ctx), `select owner_id from accounts.business`).Scan(&owner))
	require.Equal(rt, accounts.Owner, after[owner])
}

func TestTwoOwnersCannotSendEachOtherAwayAtOnce(t *testing.T) {
	t.Parallel()
	s := newStaff(t, accounts.Owner, accounts.Owner)
	first, err := s.as(0)
	require.NoError(t, err)
	second, err := s.as(1)
	require.NoError(t, err)
	away := false
	var wg sync.WaitGroup
	for i, who := range []accounts.Principal{second, first} {
		wg.Go(func() { _ = s.change(who, i, accounts.MemberChange{Active: &away}) })
	}
	wg.Wait()
	require.Len(t, s.roles(t), 1)
}

func TestStorefrontsOfMembers(t *testing.T) {
	t.Parallel()
	s := newStaff(t, accounts.Owner, accounts.Manager)
	mine, other := uuid.New(), uuid.New()
	scope := func(i int) (scope accounts.Scope) {
		require.NoError(t, s.DB.InTenant(s.ctx, func(tx *gorm.DB) error {
			p, err := accounts.Me(tx, s.ids[i])
			if err == nil {
				scope = p.Storefronts
			}
			return err
		}))
		return scope
	}
	require.True(t, scope(0).Sees(mine), "an owner sees every storefront")
	require.False(t, scope(1).Sees(mine), "a manager without assignment sees none")
	who, err := s.as(0)
	require.NoError(t, err)
	assign := func(ids ...uuid.UUID) error {
		return s.DB.InTenant(s.ctx, func(tx *gorm.DB) error {
			_, err := accounts.ChangeMember(tx, who, s.ids[1], accounts.MemberChange{StorefrontIDs: &ids}, func(_ *gorm.DB, asked []uuid.UUID) (unknown []uuid.UUID, err error) {
				return slices.DeleteFunc(slices.Clone(asked), func(id uuid.UUID) bool { return id == mine }), nil
			}, accounts.Client{})
			return err
		})
	}
	require.ErrorIs(t, assign(mine, other), accounts.ErrUnknownStorefront)
	require.NoError(t, assign(mine, mine))
	require.True(t, scope(1).Sees(mine))
	require.False(t, scope(1).Sees(other))
	manager := accounts.Staff
	require.NoError(t, s.change(who, 1, accounts.MemberChange{Role: &manager}))
	require.True(t, scope(1).Sees(mine), "another role of that kind keeps them")
	require.NoError(t, assign())
	require.False(t, scope(1).Sees(mine))
}

func TestManyRefreshesAtOnceAreOneUseOneRepetitionAndTheft(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	s, err := d.register(t.Context(), "ama@example.com", "Ama's Shop")
	require.NoError(t, err)
	refresh := func(n int) int {
		var mu sync.Mutex
		var wg sync.WaitGroup
		got := 0
		for range n {
			wg.Go(func() {
				if _, err := d.Refresh(t.Context(), s.Refresh, accounts.Client{}, time.Now()); err == nil {
					mu.Lock()
					defer mu.Unlock()
					got++
				}
			})
		}
		wg.Wait()
		return got
	}
	require.Equal(t, 2, refresh(2), "a request and its repetition")
	require.Equal(t, 2, d.count(t, `select count(*) from accounts.refresh_token where revoked_at is null and rotated_at is null`))
	require.Zero(t, refresh(10))
	require.Zero(t, d.count(t, `select count(*) from accounts.refresh_token where revoked_at is null`))
	_, err = d.Authorize(t.Context(), s.Profile.Principal(s.ID))
	require.ErrorIs(t, err, accounts.ErrSessionEnded, "its access token ends with it")
}

// Signing in with the old password at the moment in which it is reset leaves no session behind.
func TestNoSessionOutlivesAReset(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	s, err := d.register(t.Context(), "ama@example.com", "Ama's Shop")
	require.NoError(t, err)
	var token string
	pg := d.notifier
	require.NoError(t, pg.InSystem(t.Context(), func(tx *gorm.DB) (err error) {
		token, err = accounts.MintReset(tx, uuid.New(), s.Profile.User.ID)
		return err
	}))
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			_, _ = d.SignIn(t.Context(), "ama@example.com", password, accounts.Client{}, time.Now())
			_, _ = d.Refresh(t.Context(), s.Refresh, accounts.Client{}, time.Now())
		})
	}
	wg.Go(func() {
		err := d.ResetPassword(t.Context(), token, "a new password", accounts.Client{}, func(context.Context, *gorm.DB, uuid.UUID) error { return nil })
		if err != nil {
			t.Errorf("reset: %v", err)
		}
	})
	wg.Wait()
	require.Zero(t, d.count(t, `select count(*) from accounts.refresh_token where revoked_at is null`))
}

// A refresh that is under way when a person's sessions are ended would leave a new token behind, if ending did not wait for it.
func TestEndingSessionsWaitsForARefreshUnderWay(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	s, err := d.register(t.Context(), "ama@example.com", "Ama's Shop")
	require.NoError(t, err)
	refresh, err := d.admin.Begin(t.Context())
	require.NoError(t, err)
	_, err = refresh.Exec(t.Context(), `select pg_advisory_xact_lock(hashtextextended('session:' || $1::text, 0))`, s.ID.String())
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() {
		who := accounts.Principal{User: s.Profile.User.ID, Tenant: s.Profile.Business.ID, Email: "ama@example.com"}
		ended <- d.DB.InTenant(tenant.With(t.Context(), who.Tenant), func(tx *gorm.DB) error {
			_, err := accounts.EndOtherSessions(tx, who, accounts.Client{})
			return err
		})
	}()
	require.Eventually(t, func() bool {
		var waiting int
		err := refresh.QueryRow(t.Context(), `select count(*) from pg_locks where locktype = 'advisory' and not granted
			and database = (select oid from pg_database where datname = current_database())`).Scan(&waiting)
		return err == nil && waiting == 1
	}, 10*time.Second, 5*time.Millisecond)
	_, err = refresh.Exec(t.Context(), `insert into accounts.refresh_token (id, family_id, user_id, token_hash, expires_at) values (gen_random_uuid(), $1, $2, 'new', now() + interval '1 day')`,
		s.ID, s.Profile.User.ID)
	require.NoError(t, err)
	require.NoError(t, refresh.Commit(t.Context()))
	require.NoError(t, <-ended)
	require.Zero(t, d.count(t, `select count(*) from accounts.refresh_token where revoked_at is null`))
}

func TestTokensAreMadeOncePerMail(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	s, err := d.register(t.Context(), "ama@example.com", "Ama's Shop")
	require.NoError(t, err)
	user := s.Profile.User.ID
	mint := func(id uuid.UUID, make func(*gorm.DB, uuid.UUID, uuid.UUID) (string, error)) (token string) {
		require.NoError(t, d.notifier.InSystem(t.Context(), func(tx *gorm.DB) (err error) {
			token, err = make(tx, id, user)
			return err
		}))
		return token
	}
	for name, make := range map[string]func(*gorm.DB, uuid.UUID, uuid.UUID) (string, error){"verification": accounts.MintVerification, "reset": accounts.MintReset} {
		id := uuid.New()
		require.NotEmpty(t, mint(id, make), name)
		require.Empty(t, mint(id, make), "%s: the same mail again", name)
		for range 4 {
			require.NotEmpty(t, mint(uuid.New(), make), name)
		}
		require.Empty(t, mint(uuid.New(), make), "%s: five an hour", name)
	}
}
