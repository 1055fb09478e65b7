package api_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"makola/pkg/accounts"
	"makola/services/api-gateway/internal/api"
)

// matrix reads who may do what, as the migrations wrote it.
func (g *gateway) matrix() map[string]map[string]bool {
	g.t.Helper()
	rows, err := g.admin.Query(context.Background(), `select role, permission from accounts.role_permission`)
	require.NoError(g.t, err)
	m := map[string]map[string]bool{}
	for rows.Next() {
		var role, permission string
		require.NoError(g.t, rows.Scan(&role, &permission))
		if m[role] == nil {
			m[role] = map[string]bool{}
		}
		m[role][permission] = true
	}
	require.NoError(g.t, rows.Err())
	return m
}

// operations calls fn for every operation that wants a token, with an address that names nothing.
func (g *gateway) operations(fn func(method, path string, op *openapi3.Operation)) {
	for path, item := range g.doc.Paths.Map() {
		for method, op := range item.Operations() {
			if op.Extensions["x-permission"] != "public" {
				fn(method, strings.NewReplacer("{id}", uuid.NewString(), "{product_id}", uuid.NewString(), "{reference}", "AI-X").Replace(path), op)
			}
		}
	}
}

// Every role on every route: what the matrix gives a role is let through to the check of its body, and everything else is refused before that.
func TestEveryRoleOnEveryRoute(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	matrix := g.matrix()
	tokens := map[string]string{}
	for name, m := range map[string]struct {
		role   accounts.Role
		access accounts.AccessRole
	}{
		"OWNER": {role: accounts.Owner}, "ADMIN": {role: accounts.Admin}, "MANAGER": {role: accounts.Manager}, "CASHIER": {role: accounts.Staff},
		"WAREHOUSE_STAFF": {accounts.Staff, accounts.WarehouseStaff},
	} {
		user := g.member(s, m.role, m.access)
		// The token says OWNER for all of them: what a token says of the role is not believed.
		token, err := g.server.Sessions.Keys.Sign(accounts.Principal{User: user, Tenant: uuid.MustParse(s.business), Role: accounts.Owner}, time.Now())
		require.NoError(t, err)
		tokens[name] = token
	}
	require.Len(t, matrix, len(tokens)+1, "every role of the matrix is tried, and the platform's is below")
	allowed, denied := 0, 0
	for role, token := range tokens {
		g.operations(func(method, path string, op *openapi3.Operation) {
			want := op.Extensions["x-permission"].(string)
			a := g.do(method, path, token, nil)
			require.NotEqual(t, http.StatusUnauthorized, a.StatusCode, "%s %s as %s", method, path, role)
			may := want == "person" || want == "member" || matrix[role][want]
			require.Equal(t, may, a.body["code"] != "permission_missing", "%s %s (%s) as %s: %s", method, path, want, role, a.raw)
			if may {
				allowed++
			} else {
				require.Equal(t, http.StatusForbidden, a.StatusCode)
				denied++
			}
		})
	}
	require.Positive(t, allowed)
	require.Positive(t, denied)
	for permission := range matrix["OWNER"] {
		require.NotContains(t, []string{"can_manage_platform", "can_manage_subscriptions", "can_view_platform_stats", "can_manage_plans"}, permission)
	}
}

func TestSomebodyOfNoBusinessIsLetIntoNone(t *testing.T) {
	t.Parallel()
	g := open(t)
	user := uuid.New()
	g.exec(`insert into accounts.user (id, email, name, password_hash) values ($1, 'yaa@example.com', 'Yaa', '!')`, user)
	sign := func() string {
		token, err := g.server.Sessions.Keys.Sign(accounts.Principal{User: user}, time.Now())
		require.NoError(t, err)
		return token
	}
	try := func(platform bool) {
		g.operations(func(method, path string, op *openapi3.Operation) {
			want := op.Extensions["x-permission"].(string)
			a := g.do(method, path, sign(), nil)
			open := want == "person" || platform && slices.Contains(accounts.PlatformPermissions(), accounts.Permission(want))
			require.Equal(t, open, a.body["code"] != "no_business", "%s %s (%s): %s", method, path, want, a.raw)
		})
	}
	try(false)
	g.exec(`update accounts.user set platform_role = 'SUPER_ADMIN'`)
	try(true)
	me := g.do("GET", "/api/v1/users/me", sign(), nil).is(t, 200, "")
	require.Len(t, me.body["permissions"], 21)
	require.Nil(t, me.body["business"])
	g.exec(`update accounts.user set is_active = false`)
	g.do("GET", "/api/v1/users/me", sign(), nil).is(t, 401, "session_ended")
}

func TestAChangeOfRoleCountsAtOnce(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	admin := g.token(s, accounts.Admin, time.Now())
	member := g.member(s, accounts.Admin, "").String()
	g.do("GET", "/api/v1/members", admin, nil).is(t, 200, "")
	a := g.do("PATCH", "/api/v1/members/"+member, s.access, map[string]any{"role": "STAFF", "access_role": "WAREHOUSE_STAFF"}).is(t, 200, "")
	require.Equal(t, "WAREHOUSE_STAFF", a.text("access_role"))
	g.do("GET", "/api/v1/members", admin, nil).is(t, 403, "permission_missing")
	me := g.do("GET", "/api/v1/users/me", admin, nil).is(t, 200, "")
	require.Equal(t, []any{"can_update_stock", "can_view_inventory", "can_view_products"}, me.body["permissions"])
	g.do("PATCH", "/api/v1/members/"+member, s.access, map[string]any{"role": "MANAGER"}).is(t, 200, "")
	require.Contains(t, g.do("GET", "/api/v1/users/me", admin, nil).is(t, 200, "").body["permissions"], "can_approve_sales")
	g.do("DELETE", "/api/v1/members/"+member, s.access, nil).is(t, 204, "")
	g.do("GET", "/api/v1/users/me", admin, nil).is(t, 403, "no_business")
}

func TestAnUnconfirmedAddressKeepsPeopleOutWhereThatIsAsked(t *testing.T) {
	t.Parallel()
	g := open(t, func(_ *api.Options, s *api.Server) { s.RequireVerifiedEmail = true })
	s := g.register("ama")
	g.do("GET", "/api/v1/ai/credits/balance", s.access, nil).is(t, 403, "email_unverified")
	g.do("GET", "/api/v1/users/me", s.access, nil).is(t, 200, "")
	g.do("POST", "/api/v1/auth/verify-email/resend", s.access, nil).is(t, 202, "")
	g.verify(s)
	g.do("GET", "/api/v1/ai/credits/balance", s.access, nil).is(t, 200, "")
	g.do("POST", "/api/v1/auth/verify-email/resend", s.access, nil).is(t, 409, "email_verified")
}
