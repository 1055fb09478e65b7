package api

import (
	"fmt"
	"slices"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"makola/pkg/accounts"
	"makola/pkg/problem"
	"makola/services/api-gateway/internal/auth"
	"makola/services/api-gateway/internal/edge"
)

// The values that x-permission may have in openapi.yaml besides the names of permissions, such as can_manage_payments. It says who may ask for an operation;
// an operation without it, or with one that nobody knows, keeps the gateway from starting.
const (
	// forPublic is for everybody.
	forPublic = "public"
	// forPerson is for whoever is signed in, also people of no business.
	forPerson = "person"
	// forMember is for every member of a business.
	forMember = "member"
)

// errPermission reports a member whose role does not permit the operation.
var errPermission = problem.New(problem.Forbidden, "permission_missing", "Your role in this business does not permit this. Ask its owner.")

// checkPermissions refuses an x-permission that no role could have.
func checkPermissions(contract *edge.Contract) error {
	for op := range contract.Operations() {
		switch op.Permission {
		case forPublic, forPerson, forMember:
		default:
			if !slices.Contains(accounts.AllPermissions(), accounts.Permission(op.Permission)) {
				return fmt.Errorf("operation %s: x-permission %s does not exist", op.ID, op.Permission)
			}
		}
	}
	return nil
}

// permit decides whether the person who asks may have the operation. Whatever is not allowed here is denied.
func (s *Server) permit(c *gin.Context, op *edge.Operation) error {
	if err := auth.Authorize(c, s.Sessions); err != nil {
		return err
	}
	who := auth.From(c.Request.Context())
	permission := accounts.Permission(op.Permission)
	switch {
	case op.Permission == forPerson:
		return nil
	case s.RequireVerifiedEmail && !who.EmailVerified:
		return accounts.ErrEmailUnverified
	case slices.Contains(accounts.PlatformPermissions(), permission) && who.May(permission):
		return nil // the platform's own work needs no business
	case who.Tenant == uuid.Nil:
		return accounts.ErrNotMember
	case op.Permission == forMember, who.May(permission):
		return nil
	default:
		return errPermission
	}
}
