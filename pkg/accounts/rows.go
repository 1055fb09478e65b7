package accounts

import (
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
	// Currency is an ISO 4217 code, Timezone an IANA name.
	Currency, Timezone string
	// SubscriptionStatus is a copy of the subscription's status, for display.
	SubscriptionStatus string
	CreatedAt          time.Time
}

// Profile is a person in their business.
type Profile struct {
	User     User
	Business Business
	Role     Role
}

// Principal returns the profile's part that an access token carries.
func (p *Profile) Principal() Principal {
	return Principal{User: p.User.ID, Tenant: p.Business.ID, Role: p.Role}
}

// Principal is who asks: a person, the business they act for, and their role in it.
type Principal struct {
	User, Tenant uuid.UUID
	Role         Role
}
