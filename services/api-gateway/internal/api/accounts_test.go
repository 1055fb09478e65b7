package api_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/accounts"
	"makola/pkg/postgres"
	"makola/services/api-gateway/internal/api"
)

const (
	members     = "/api/v1/members"
	invitations = "/api/v1/invitations"
)

// onlyOne requires that one of twenty requests won, and that the others came too late, or were turned away while too many passwords were hashed.
func onlyOne(t *testing.T, won, late int, got map[int]int) {
	t.Helper()
	require.Equal(t, 1, got[won], "%v", got)
	require.Equal(t, 20, got[won]+got[late]+got[503], "%v", got)
}

func TestAddressIsConfirmedOnce(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	g.do("POST", "/api/v1/auth/verify-email", "", map[string]any{"token": "mev_never_was"}).is(t, 400, "token_unknown")
	token := g.mint(s.business, func(tx *gorm.DB) (string, error) {
		return accounts.MintVerification(tx, uuid.New(), uuid.MustParse(s.user))
	})
	g.do("POST", "/api/v1/auth/password-reset/confirm", "", map[string]any{"token": token, "new_password": "another password"}).is(t, 400, "token_unknown")
	require.Equal(t, map[int]int{200: 1, 410: 19}, g.together(20, "POST", "/api/v1/auth/verify-email", "", map[string]any{"token": token}))
	me := g.do("GET", "/api/v1/users/me", s.access, nil).is(t, 200, "")
	require.Equal(t, true, me.body["user"].(map[string]any)["email_verified"])
	require.Zero(t, g.count(`select count(*) from accounts.email_verification_token where encode(token_hash, 'escape') like '%mev%'`), "only hashes are stored")

	old := g.mint(s.business, func(tx *gorm.DB) (string, error) {
		return accounts.MintVerification(tx, uuid.New(), uuid.MustParse(s.user))
	})
	g.exec(`update accounts.email_verification_token set expires_at = now() where consumed_at is null`)
	g.do("POST", "/api/v1/auth/verify-email", "", map[string]any{"token": old}).is(t, 410, "token_spent")
}

func TestPasswordResetTellsNobodyWhoHasAnAccount(t *testing.T) {
	t.Parallel()
	g := open(t)
	g.register("ama")
	known := g.do("POST", "/api/v1/auth/password-reset/request", "", map[string]any{"email": "AMA@example.com"}).is(t, 200, "")
	unknown := g.do("POST", "/api/v1/auth/password-reset/request", "", map[string]any{"email": "nobody@example.com"}).is(t, 200, "")
	nonsense := g.do("POST", "/api/v1/auth/password-reset/request", "", map[string]any{"email": "not an address"}).is(t, 200, "")
	require.Equal(t, known.body, unknown.body)
	require.Equal(t, known.body, nonsense.body)
	require.Equal(t, 3, g.count(`select count(*) from task.task where name = 'accounts.send_password_reset_email' and tenant_id is null`), "the same work for each")
	require.Zero(t, g.count(`select count(*) from accounts.password_reset_token`), "nothing is looked up before the answer")
}

func TestPasswordResetEndsEverySession(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	first, second := g.resetToken(s), g.resetToken(s)
	confirm := func(token, fresh string) *answer {
		return g.do("POST", "/api/v1/auth/password-reset/confirm", "", map[string]any{"token": token, "new_password": fresh})
	}
	require.Equal(t, []string{"/new_password too_short"}, confirm(first, "short").is(t, 422, "invalid").faults())
	onlyOne(t, 200, 410, g.together(20, "POST", "/api/v1/auth/password-reset/confirm", "", map[string]any{"token": first, "new_password": "a new password"}))
	confirm(second, "yet another one").is(t, 410, "token_spent")

	g.do("GET", "/api/v1/users/me", s.access, nil).is(t, 401, "session_ended")
	g.do("POST", "/api/v1/auth/refresh", "", map[string]any{"refresh_token": s.refresh}).is(t, 401, "refresh_token_invalid")
	g.do("POST", "/api/v1/auth/login", "", map[string]any{"email": "ama@example.com", "password": password}).is(t, 401, "bad_credentials")
	in := g.do("POST", "/api/v1/auth/login", "", map[string]any{"email": "ama@example.com", "password": "a new password"}).is(t, 200, "")
	require.Equal(t, 1, g.count(`select count(*) from task.task where name = 'accounts.send_password_changed_email'`))
	log := g.do("GET", "/api/v1/audit-logs?action=password.reset", in.text("access_token"), nil).is(t, 200, "")
	require.Len(t, log.body["items"], 1)
	expired := g.resetToken(s)
	g.exec(`update accounts.password_reset_token set expires_at = now() where consumed_at is null`)
	confirm(expired, "yet another one").is(t, 410, "token_spent")
}

func TestChangePasswordEndsTheOtherSessions(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	other := g.do("POST", "/api/v1/auth/login", "", map[string]any{"email": "ama@example.com", "password": password}).is(t, 200, "")
	change := func(old, fresh string) *answer {
		return g.do("POST", "/api/v1/auth/change-password", s.access, map[string]any{"old_password": old, "new_password": fresh})
	}
	require.Equal(t, []string{"/old_password wrong"}, change("wrong horse", "a new password").is(t, 400, "wrong_password").faults())
	change(password, "a new password").is(t, 204, "")
	change(password, "another password").is(t, 400, "wrong_password")
	g.do("GET", "/api/v1/users/me", other.text("access_token"), nil).is(t, 401, "session_ended")
	g.do("POST", "/api/v1/auth/refresh", "", map[string]any{"refresh_token": other.text("refresh_token")}).is(t, 401, "refresh_token_invalid")
	g.do("GET", "/api/v1/users/me", s.access, nil).is(t, 200, "")
	g.do("POST", "/api/v1/auth/refresh", "", map[string]any{"refresh_token": s.refresh}).is(t, 200, "")
}

func TestGuessingAnOldPasswordIsLimited(t *testing.T) {
	t.Parallel()
	g := open(t, func(o *api.Options, _ *api.Server) { o.SignInPerMinute = 4 })
	s := g.register("ama")
	body := map[string]any{"old_password": "wrong", "new_password": "a new password"}
	for range 2 {
		g.do("POST", "/api/v1/auth/change-password", s.access, body).is(t, 400, "wrong_password")
	}
	g.do("POST", "/api/v1/auth/change-password", s.access, body).is(t, 429, "too_many_requests")
}

func TestSessionsAreListedAndEnded(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	login := func() *answer {
		return g.do("POST", "/api/v1/auth/login", "", map[string]any{"email": "ama@example.com", "password": password}, "User-Agent", "Phone").is(t, 200, "")
	}
	phone, tablet := login(), login()
	refreshed := g.do("POST", "/api/v1/auth/refresh", "", map[string]any{"refresh_token": phone.text("refresh_token")}, "User-Agent", "Phone 2").is(t, 200, "")
	list := g.do("GET", "/api/v1/auth/sessions", refreshed.text("access_token"), nil).is(t, 200, "").body["items"].([]any)
	require.Len(t, list, 3, "a refresh is not another session")
	first := list[0].(map[string]any)
	require.Equal(t, true, first["current"])
	require.Equal(t, "Phone 2", first["user_agent"])
	require.Equal(t, "127.0.0.1", first["ip"])
	require.Equal(t, false, list[1].(map[string]any)["current"])

	g.do("DELETE", "/api/v1/auth/sessions/"+first["id"].(string), s.access, nil).is(t, 204, "")
	g.do("GET", "/api/v1/users/me", phone.text("access_token"), nil).is(t, 401, "session_ended")
	g.do("POST", "/api/v1/auth/refresh", "", map[string]any{"refresh_token": refreshed.text("refresh_token")}).is(t, 401, "refresh_token_invalid")
	g.do("DELETE", "/api/v1/auth/sessions/"+first["id"].(string), s.access, nil).is(t, 404, "not_found")

	require.EqualValues(t, 1, g.do("DELETE", "/api/v1/auth/sessions", s.access, nil).is(t, 200, "").body["ended"])
	g.do("GET", "/api/v1/users/me", tablet.text("access_token"), nil).is(t, 401, "session_ended")
	g.do("GET", "/api/v1/users/me", s.access, nil).is(t, 200, "")
	g.do("POST", "/api/v1/auth/logout", "", map[string]any{"refresh_token": s.refresh}).is(t, 204, "")
	g.do("GET", "/api/v1/users/me", s.access, nil).is(t, 401, "session_ended")
}

func TestAnInvitationMakesAMember(t *testing.T) {
	t.Parallel()
	front := uuid.New()
	g := open(t, func(_ *api.Options, s *api.Server) {
		s.Storefronts = func(_ *gorm.DB, ids []uuid.UUID) (unknown []uuid.UUID, err error) {
			for _, id := range ids {
				if id != front {
					unknown = append(unknown, id)
				}
			}
			return unknown, nil
		}
	})
	s := g.register("ama")
	body := map[string]any{"email": "Kofi@Example.com", "role": "STAFF", "access_role": "WAREHOUSE_STAFF", "storefront_ids": []string{front.String()}}
	g.do("POST", invitations, s.access, body).is(t, 403, "email_unverified")
	g.verify(s)
	id, token := g.invite(s, body)
	g.do("POST", invitations, s.access, body).is(t, 409, "invitation_pending")
	require.Equal(t, []string{"/email taken"}, g.do("POST", invitations, s.access, map[string]any{"email": "ama@example.com", "role": "STAFF"}).is(t, 409, "already_member").faults())
	require.Equal(t, []string{"/storefront_ids unknown"},
		g.do("POST", invitations, s.access, map[string]any{"email": "yaa@example.com", "role": "STAFF", "storefront_ids": []string{uuid.NewString()}}).is(t, 422, "invalid").faults())
	require.Equal(t, []string{"/storefront_ids invalid"},
		g.do("POST", invitations, s.access, map[string]any{"email": "yaa@example.com", "role": "ADMIN", "storefront_ids": []string{front.String()}}).is(t, 422, "invalid").faults())
	require.Equal(t, []string{"/access_role invalid"},
		g.do("POST", invitations, s.access, map[string]any{"email": "yaa@example.com", "role": "MANAGER", "access_role": "CASHIER"}).is(t, 422, "invalid").faults())

	info := g.do("GET", invitations+"/token/"+token, "", nil).is(t, 200, "")
	require.Equal(t, "kofi@example.com", info.text("email"))
	require.Equal(t, "ama's shop", info.text("business_name"))
	require.Equal(t, false, info.body["has_account"])
	g.do("GET", invitations+"/token/miv_never_was", "", nil).is(t, 404, "not_found")

	accept := invitations + "/token/" + token + "/accept"
	require.Equal(t, []string{"/name required"}, g.do("POST", accept, "", map[string]any{"password": password}).is(t, 422, "invalid").faults())
	require.Equal(t, []string{"/password wrong_length"}, g.do("POST", accept, "", map[string]any{"password": "short", "name": "Kofi"}).is(t, 422, "invalid").faults())
	onlyOne(t, 201, 409, g.together(20, "POST", accept, "", map[string]any{"name": "Kofi", "password": password}))
	g.do("POST", accept, "", map[string]any{"name": "Kofi", "password": password}).is(t, 409, "invitation_accepted")
	g.do("GET", invitations+"/token/"+token, "", nil).is(t, 409, "invitation_accepted")
	g.do("POST", invitations+"/"+id+"/revoke", s.access, nil).is(t, 409, "invitation_accepted")
	g.do("POST", invitations+"/"+id+"/resend", s.access, nil).is(t, 409, "invitation_accepted")

	kofi := g.do("POST", "/api/v1/auth/login", "", map[string]any{"email": "kofi@example.com", "password": password}).is(t, 200, "")
	require.Equal(t, s.business, kofi.text("business", "id"))
	require.Equal(t, "STAFF", kofi.text("role"))
	require.Equal(t, []any{"can_update_stock", "can_view_inventory", "can_view_products"}, kofi.body["permissions"])
	require.Equal(t, map[string]any{"all": false, "ids": []any{front.String()}}, kofi.body["storefronts"])
	require.Equal(t, true, kofi.body["user"].(map[string]any)["email_verified"], "the token came by mail")

	list := g.do("GET", members+"?limit=1", s.access, nil).is(t, 200, "")
	require.Equal(t, "kofi@example.com", list.body["items"].([]any)[0].(map[string]any)["email"])
	next := g.do("GET", members+"?limit=1&cursor="+list.text("next_cursor"), s.access, nil).is(t, 200, "")
	require.Equal(t, "ama@example.com", next.body["items"].([]any)[0].(map[string]any)["email"])
	member := kofi.text("user", "id")
	a := g.do("PATCH", members+"/"+member, s.access, map[string]any{"role": "ADMIN"}).is(t, 200, "")
	require.Equal(t, map[string]any{"all": true, "ids": []any{}}, a.body["storefronts"], "an ADMIN sees all and has no assignments")
	require.Equal(t, 2, g.count(`select count(*) from audit.entry where entity in ('membership', 'invitation') and tenant_id = $1 and action in ('UPDATE', 'invitation.accepted')`, s.business))
}

func TestInvitationsEnd(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	g.verify(s)
	id, token := g.invite(s, map[string]any{"email": "kofi@example.com", "role": "MANAGER"})
	resend := func() *answer { return g.do("POST", invitations+"/"+id+"/resend", s.access, nil) }
	a := resend().is(t, 429, "resend_too_soon")
	require.Equal(t, "60", a.Header.Get("Retry-After"))
	g.exec(`update accounts.invitation set sent_at = now() - interval '2 minutes', expires_at = now()`)
	g.do("GET", invitations+"/token/"+token, "", nil).is(t, 410, "invitation_over")
	require.Len(t, g.do("GET", invitations+"?status=EXPIRED", s.access, nil).is(t, 200, "").body["items"], 1, "before the sweep says so")
	require.EqualValues(t, 2, resend().is(t, 200, "").body["sends"])
	require.Equal(t, 1, g.count(`select count(*) from task.task where name = 'accounts.send_invitation_email' and args ->> 'number' = '2'`))
	newer := g.mint(s.business, func(tx *gorm.DB) (string, error) { return accounts.MintInvitation(tx, uuid.MustParse(id), 2) })
	g.do("GET", invitations+"/token/"+token, "", nil).is(t, 404, "not_found")
	g.do("GET", invitations+"/token/"+newer, "", nil).is(t, 200, "")
	require.Equal(t, "REVOKED", g.do("POST", invitations+"/"+id+"/revoke", s.access, nil).is(t, 200, "").text("status"))
	g.do("GET", invitations+"/token/"+newer, "", nil).is(t, 410, "invitation_over")
	g.do("POST", invitations+"/token/"+newer+"/accept", "", map[string]any{"name": "Kofi", "password": password}).is(t, 410, "invitation_over")
	g.do("POST", invitations+"/"+id+"/revoke", s.access, nil).is(t, 409, "invitation_revoked")
	g.exec(`update accounts.invitation set sends = 10, status = 'PENDING', sent_at = now() - interval '2 minutes'`)
	resend().is(t, 409, "resend_too_often")
	require.Zero(t, g.count(`select count(*) from accounts.user where email = 'kofi@example.com'`))
}

func TestAnAccountJoinsByItsPasswordAndOneBusinessOnly(t *testing.T) {
	t.Parallel()
	g := open(t)
	ama, kofi := g.register("ama"), g.register("kofi")
	g.verify(ama)
	g.verify(kofi)
	_, token := g.invite(ama, map[string]any{"email": "kofi@example.com", "role": "MANAGER"})
	accept := func(token, password string) *answer {
		return g.do("POST", invitations+"/token/"+token+"/accept", "", map[string]any{"password": password})
	}
	require.Equal(t, true, g.do("GET", invitations+"/token/"+token, "", nil).is(t, 200, "").body["has_account"])
	accept(token, "wrong horse battery").is(t, 401, "bad_credentials")
	accept(token, password).is(t, 409, "in_another_business")
	g.do("GET", invitations+"/token/"+token, "", nil).is(t, 200, "") // it is not spent

	// Somebody who was sent away may join another business.
	_, token2 := g.invite(kofi, map[string]any{"email": "yaa@example.com", "role": "STAFF"})
	yaa := g.do("POST", invitations+"/token/"+token2+"/accept", "", map[string]any{"name": "Yaa", "password": password}).is(t, 201, "")
	g.do("DELETE", members+"/"+yaa.text("user", "id"), kofi.access, nil).is(t, 204, "")
	g.do("GET", "/api/v1/users/me", yaa.text("access_token"), nil).is(t, 401, "session_ended")
	g.do("POST", "/api/v1/auth/login", "", map[string]any{"email": "yaa@example.com", "password": password}).is(t, 403, "no_business")
	_, token3 := g.invite(ama, map[string]any{"email": "yaa@example.com", "role": "STAFF"})
	joined := accept(token3, password).is(t, 201, "")
	require.Equal(t, ama.business, joined.text("business", "id"))
	require.Len(t, g.do("GET", members, kofi.access, nil).is(t, 200, "").body["items"], 1)

	// Or come back.
	g.do("DELETE", members+"/"+yaa.text("user", "id"), ama.access, nil).is(t, 204, "")
	_, token4 := g.invite(ama, map[string]any{"email": "yaa@example.com", "role": "MANAGER"})
	require.Equal(t, "MANAGER", accept(token4, password).is(t, 201, "").text("role"))
}

func TestNobodyRisesAboveThemselves(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	admin := g.token(s, accounts.Admin, time.Now())
	adminID, staff := g.member(s, accounts.Admin, "").String(), g.member(s, accounts.Staff, "").String()
	change := func(token, id string, body map[string]any) *answer { return g.do("PATCH", members+"/"+id, token, body) }
	change(admin, adminID, map[string]any{"role": "OWNER"}).is(t, 403, "above_own_role")
	change(admin, staff, map[string]any{"role": "OWNER"}).is(t, 403, "above_own_role")
	change(admin, s.user, map[string]any{"role": "STAFF"}).is(t, 403, "above_own_role")
	change(admin, s.user, map[string]any{"is_active": false}).is(t, 403, "above_own_role")
	g.do("DELETE", members+"/"+s.user, admin, nil).is(t, 403, "above_own_role")
	change(g.token(s, accounts.Manager, time.Now()), staff, map[string]any{"role": "MANAGER"}).is(t, 403, "permission_missing")
	change(s.access, s.user, map[string]any{"role": "ADMIN"}).is(t, 409, "last_owner")
	change(s.access, s.user, map[string]any{"is_active": false}).is(t, 409, "last_owner")
	g.do("DELETE", members+"/"+s.user, s.access, nil).is(t, 409, "last_owner")
	require.Zero(t, g.count(`select count(*) from audit.entry where entity = 'membership'`), "none of it was done")

	// What nobody may set is not a member of any body.
	for _, field := range []string{"platform_role", "email", "password", "password_hash", "account_type", "email_verified", "tenant_id", "user_id"} {
		for _, a := range []*answer{
			change(s.access, staff, map[string]any{field: "SUPER_ADMIN", "role": "STAFF"}),
			g.do("PATCH", "/api/v1/businesses/me", s.access, map[string]any{"owner_id": staff, field + "_": "x"}),
			g.do("POST", "/api/v1/auth/register", "", map[string]any{"email": "x@example.com", "password": password, "name": "x", "business_name": "x", "platform_role": "SUPER_ADMIN", "role": "OWNER"}),
		} {
			require.Equal(t, 422, a.StatusCode, "%s", a.raw)
			require.Contains(t, strings.Join(a.faults(), " "), "unknown")
		}
	}
	for _, path := range []string{"/api/v1/users/me", "/api/v1/auth/me"} {
		g.do("PATCH", path, s.access, map[string]any{"platform_role": "SUPER_ADMIN"}).is(t, 405, "method_not_allowed")
	}
	require.Equal(t, 1, g.count(`select count(distinct platform_role) from accounts.user where platform_role = 'NONE'`))

	// An owner may make another, and go.
	change(s.access, adminID, map[string]any{"role": "OWNER"}).is(t, 200, "")
	change(s.access, s.user, map[string]any{"role": "MANAGER"}).is(t, 200, "")
	require.Equal(t, 1, g.count(`select count(*) from accounts.business where owner_id = $1`, adminID), "the books name an owner who is one")
	g.do("GET", members, s.access, nil).is(t, 403, "permission_missing")
	_, err := g.admin.Exec(t.Context(), `update accounts.membership set access_role = 'SUPER_USER'`)
	require.ErrorContains(t, err, "membership_access_role_check")
}

func TestABusinessIsOpenedByAnOwnerWhoHasNone(t *testing.T) {
	t.Parallel()
	g := open(t)
	g.register("kofi")
	hash, err := g.server.Sessions.Hasher.Hash(t.Context(), password)
	require.NoError(t, err)
	g.exec(`insert into accounts.user (id, email, name, password_hash) values ($1, 'ama@example.com', 'Ama', $2)`, uuid.New(), hash)
	in := g.do("POST", "/api/v1/auth/login", "", map[string]any{"email": "ama@example.com", "password": password}).is(t, 200, "")
	require.Nil(t, in.body["business"])
	require.Nil(t, in.body["role"])
	body := map[string]any{"name": "Ama's Provisions", "tin": "C0012345678", "phone_numbers": []string{"+233 20 123 4567"}, "address": "Makola Market"}
	openIt := func(body map[string]any) *answer {
		return g.do("POST", "/api/v1/businesses", in.text("access_token"), body)
	}
	openIt(body).is(t, 403, "email_unverified")
	g.exec(`update accounts.user set email_verified = true where email = 'ama@example.com'`)
	require.Equal(t, []string{"/name taken"}, openIt(map[string]any{"name": "KOFI's shop"}).is(t, 409, "business_name_taken").faults())
	g.exec(`update accounts.user set account_type = 'EMPLOYEE' where email = 'ama@example.com'`)
	openIt(body).is(t, 403, "owners_only")
	g.exec(`update accounts.user set account_type = 'OWNER' where email = 'ama@example.com'`)
	require.Equal(t, map[int]int{201: 1, 409: 7}, g.together(8, "POST", "/api/v1/businesses", in.text("access_token"), body))
	require.Equal(t, 2, g.count(`select count(*) from billing.subscription`), "with its trial")

	next := g.do("POST", "/api/v1/auth/refresh", "", map[string]any{"refresh_token": in.text("refresh_token")}).is(t, 200, "")
	require.Equal(t, "OWNER", next.text("role"))
	b := g.do("GET", "/api/v1/businesses/me", next.text("access_token"), nil).is(t, 200, "")
	require.Equal(t, "Makola Market", b.text("address"))
	g.do("POST", "/api/v1/businesses", next.text("access_token"), body).is(t, 409, "has_business")
}

func TestABusinessIsChangedAndTheLogSaysHow(t *testing.T) {
	t.Parallel()
	g := open(t)
	s, kofi := g.register("ama"), g.register("kofi")
	change := func(s shop, body map[string]any) *answer {
		return g.do("PATCH", "/api/v1/businesses/me", s.access, body)
	}
	a := change(s, map[string]any{"name": "Ama & Daughters", "tin": "C1", "email": "Shop@example.com", "timezone": "Africa/Lagos", "website": "https://ama.example"}).is(t, 200, "")
	require.Equal(t, "shop@example.com", a.text("email"))
	require.Equal(t, []string{"/tin taken"}, change(kofi, map[string]any{"tin": "C1"}).is(t, 409, "tin_taken").faults())
	require.Equal(t, "", change(s, map[string]any{"tin": "", "name": "Ama & Daughters"}).is(t, 200, "").text("tin"))
	change(s, map[string]any{}).is(t, 200, "")
	log := g.do("GET", "/api/v1/audit-logs?entity=business&action=UPDATE", s.access, nil).is(t, 200, "").body["items"].([]any)
	require.Len(t, log, 2, "a change of nothing is none")
	require.Equal(t, map[string]any{"tin": []any{"C1", ""}}, log[0].(map[string]any)["changes"])
	require.Equal(t, "ama@example.com", log[0].(map[string]any)["actor"])
}

func TestTheLogKnowsWhoSignedInAndWhoCouldNot(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	login := func(email, password string) *answer {
		return g.do("POST", "/api/v1/auth/login", "", map[string]any{"email": email, "password": password})
	}
	for range 12 {
		login("ama@example.com", "wrong").is(t, 401, "bad_credentials")
		login("nobody@example.com", "wrong").is(t, 401, "bad_credentials")
	}
	actions := func(query string) (all []string) {
		for _, e := range g.do("GET", "/api/v1/audit-logs"+query, s.access, nil).is(t, 200, "").body["items"].([]any) {
			all = append(all, e.(map[string]any)["action"].(string))
		}
		return all
	}
	require.Equal(t, []string{"login.failed", "login.failed"}, actions("?action=login.failed"), "at five and at ten")
	in := login("ama@example.com", password).is(t, 200, "")
	for range 4 {
		login("ama@example.com", "wrong").is(t, 401, "bad_credentials")
	}
	require.Len(t, actions("?action=login.failed"), 2, "a sign-in begins the count anew")
	require.Equal(t, 1, g.count(`select count(*) from accounts.sign_in_failure where length(address_hash) = 1`), "addresses that nobody has share a row")
	g.do("POST", "/api/v1/auth/logout", "", map[string]any{"refresh_token": in.text("refresh_token")}).is(t, 204, "")
	g.do("POST", "/api/v1/auth/logout", "", map[string]any{"refresh_token": in.text("refresh_token")}).is(t, 204, "")
	require.Equal(t, []string{"LOGOUT", "LOGIN"}, actions("?entity=session&limit=2"))
	require.Len(t, actions("?user="+s.user+"&action=LOGIN"), 1)
	require.Empty(t, actions("?from=2100-01-01T00:00:00Z"))
	require.Empty(t, actions("?to=2020-01-01T00:00:00%2B01:00"))
	first := g.do("GET", "/api/v1/audit-logs?limit=2", s.access, nil).is(t, 200, "")
	require.Len(t, actions("?limit=100&cursor="+first.text("next_cursor")), len(actions("?limit=100"))-2)

	// A refresh token that two parties hold is in the log too.
	next := login("ama@example.com", password).is(t, 200, "")
	refresh := map[string]any{"refresh_token": next.text("refresh_token")}
	got := g.together(20, "POST", "/api/v1/auth/refresh", "", refresh)
	require.Equal(t, map[int]int{200: 2, 401: 18}, got, "one use, one repetition, and then it is theft")
	require.Len(t, actions("?action=session.stolen"), 1)
	require.Error(t, g.server.DB.InSystem(t.Context(), func(tx *gorm.DB) error { _, err := postgres.Exec(tx, `delete from audit.entry`); return err }))
}
