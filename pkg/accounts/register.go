package accounts

import (
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/audit"
	"makola/pkg/postgres"
	"makola/pkg/tenant"
)

// accountOwner is the account type of people who may open a business; accountEmployee that of people who were invited into one.
const (
	accountOwner    = "OWNER"
	accountEmployee = "EMPLOYEE"
)

// Registration is what a new owner says of themselves.
type Registration struct {
	// Email and Name are the person's; Email may come as typed.
	Email, Name string
	// PasswordHash is what Hasher.Hash made of the password, before the transaction began.
	PasswordHash string
	// BusinessName is unique, in whatever case.
	BusinessName string
	// EmailVerified is for an operator who knows that the address is the person's.
	EmailVerified bool
	// Client is kept in the audit log.
	Client Client
}

// Register creates a person, their business and their membership as its owner. The business's id is the tenant of tx's context, a new one that the caller made:
//
//	ctx := tenant.With(ctx, uuid.Must(uuid.NewV7()))
//	err := db.InTenant(ctx, func(tx *gorm.DB) error { … accounts.Register(tx, r, now) … })
//
// so that everything else a new business needs joins the same transaction. Errors: ErrInvalidEmail, ErrEmailTaken, ErrBusinessNameTaken;
// after any of them the transaction is spent.
func Register(tx *gorm.DB, r Registration, now time.Time) (*Profile, error) {
	if err := postgres.RequireTx(tx); err != nil {
		return nil, fmt.Errorf("register: %w", err)
	}
	business, ok := tenant.From(tx.Statement.Context)
	if !ok {
		return nil, fmt.Errorf("register: %w", postgres.ErrNoTenant)
	}
	email, err := NormalizeEmail(r.Email)
	if err != nil {
		return nil, err
	}
	user, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("register: make user id: %w", err)
	}
	now = now.UTC().Truncate(time.Microsecond) // what the column holds
	p := &Profile{
		User:     User{ID: user, Email: email, Name: strings.TrimSpace(r.Name), Language: "en", CreatedAt: now},
		Business: Business{ID: business, Name: strings.TrimSpace(r.BusinessName), Currency: "GHS", Timezone: "Africa/Accra", SubscriptionStatus: "TRIAL", CreatedAt: now},
	}
	statements := []struct {
		sql  string
		args []any
	}{
		{
			`insert into accounts.user (id, email, name, password_hash, email_verified, created_at, updated_at) values ($1, $2, $3, $4, $5, $6, $6)`,
			[]any{user, email, p.User.Name, r.PasswordHash, r.EmailVerified, now},
		},
		{
			`insert into accounts.business (id, owner_id, name, email, created_at, updated_at) values ($1, $2, $3, $4, $5, $5)`,
			[]any{business, user, p.Business.Name, email, now},
		},
		{
			`insert into accounts.membership (tenant_id, user_id, role, created_at) values ($1, $2, $3, $4)`,
			[]any{business, user, string(Owner), now},
		},
	}
	for _, s := range statements {
		if _, err := postgres.Exec(tx, s.sql, s.args...); err != nil {
			switch postgres.Constraint(err) {
			case "user_email_key":
				return nil, ErrEmailTaken
			case "business_name_key":
				return nil, ErrBusinessNameTaken
			}
			return nil, fmt.Errorf("register: %w", err)
		}
	}
	e := audit.Entry{Action: audit.Create, Entity: "business", EntityID: business.String(), Changes: map[string][2]any{"name": {nil, p.Business.Name}}}
	if err := audit.Record(tx, entry(p, r.Client, e)); err != nil {
		return nil, err
	}
	return profile(tx, user, business)
}
