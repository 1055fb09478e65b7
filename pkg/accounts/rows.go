package accounts

import (
	"slices"
	"time"

	"github.com/google/uuid"
)

// User is a person, without what signs them in.
type User struct {
	ID    uuid.UUID
	Email string
	Name  string
	// Language is en, fr or es.
	Language      string
	EmailVerified bool
	CreatedAt     time.Time
}

// Business is a tenant; its ID is the tenant's.
type Business struct {
	ID   uuid.UUID
	Name string
	// TIN is the tax number; it, Address and Website may be empty.
	TIN, Email, Address, Website string
	PhoneNumbers                 []string
	// Currency is an ISO 4217 code, Timezone an IANA name.
	Currency, Timezone string
	// SubscriptionStatus is what billing.subscription_standing says of the subscription now, for display.
	SubscriptionStatus string
	CreatedAt          time.Time
}

// Profile is a person in their business.
type Profile struct {
	User User
	// Business is zero for a person of no business; Role and AccessRole are empty then.
	Business   Business
	Role       Role
	AccessRole AccessRole
	// Permissions is what the person may do, in the order of their names.
	Permissions []Permission
	Storefronts Scope
}

// Principal returns the profile's part that an access token carries, for the session.
func (p *Profile) Principal(session uuid.UUID) Principal {
	return Principal{User: p.User.ID, Tenant: p.Business.ID, Session: session, Role: p.Role}
}

// Principal is who asks: a person, and the business they act for.
type Principal struct {
	// User is the person. Tenant is zero for a person of no business, and Session for a token that an older build signed.
	User, Tenant, Session uuid.UUID
	// Role is the person's place in the business. As a token carries it, it is what it was when the token was signed; Authorize reads it anew.
	Role Role
	// Email and what follows come from Authorize.
	Email         string
	EmailVerified bool
	AccessRole    AccessRole
	Permissions   []Permission
}

// May reports whether the person has the permission. It is false for everything until Authorize was asked.
func (p Principal) May(permission Permission) bool { return slices.Contains(p.Permissions, permission) }

// Scope is which storefronts of the business a member sees.
type Scope struct {
	// All is true for OWNER and ADMIN, who see every storefront, also one that is opened later.
	All bool
	// IDs are the storefronts of a MANAGER or STAFF member. None means that they see none.
	IDs []uuid.UUID
}

// Sees reports whether the storefront is in the scope.
func (s Scope) Sees(storefront uuid.UUID) bool { return s.All || slices.Contains(s.IDs, storefront) }
