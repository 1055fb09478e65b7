package accounts

import (
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/audit"
	"makola/pkg/postgres"
	"makola/pkg/tenant"
)

// BusinessDetails are what a business says of itself. In a change, nil leaves a detail as it is, and an empty text removes it.
type BusinessDetails struct {
	Name, TIN, Email, Address, Website, Timezone *string
	PhoneNumbers                                 *[]string
}

// normalize trims the details and checks what a description of the API cannot.
func (d *BusinessDetails) normalize() error {
	for _, text := range []*string{d.Name, d.TIN, d.Address, d.Website, d.Timezone} {
		if text != nil {
			*text = strings.TrimSpace(*text)
		}
	}
	if d.Email != nil {
		email, err := NormalizeEmail(*d.Email)
		if err != nil {
			return err
		}
		d.Email = &email
	}
	if d.Timezone != nil && !knownZone(*d.Timezone) {
		return ErrTimezone
	}
	return nil
}

// OpenBusiness makes the business that tx is bound to, a new one as for Register, for an OWNER who has none. Their next refresh gives tokens for it.
// Errors: ErrEmailUnverified, ErrOwnersOnly, ErrHasBusiness, ErrBusinessNameTaken, ErrTINTaken, ErrInvalidEmail, ErrTimezone; after any of them the transaction is spent.
func OpenBusiness(tx *gorm.DB, who Principal, name string, d BusinessDetails, c Client) (*Business, error) {
	business, ok := tenant.From(tx.Statement.Context)
	if !ok {
		return nil, fmt.Errorf("open business: %w", postgres.ErrNoTenant)
	}
	if err := d.normalize(); err != nil {
		return nil, err
	}
	var email, accountType string
	var verified bool
	err := postgres.QueryRow(tx, `select email, account_type, email_verified from accounts.user where id = $1 and is_active for update`, who.User).Scan(&email, &accountType, &verified)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, ErrSessionEnded
	case err != nil:
		return nil, fmt.Errorf("open business: %w", err)
	case accountType != accountOwner:
		return nil, ErrOwnersOnly
	case !verified:
		return nil, ErrEmailUnverified
	}
	_, err = postgres.Exec(tx, `insert into accounts.business (id, owner_id, name, email) values ($1, $2, $3, $4)`, business, who.User, strings.TrimSpace(name), email)
	if err == nil {
		_, err = postgres.Exec(tx, `insert into accounts.membership (tenant_id, user_id, role) values ($1, $2, $3)`, business, who.User, string(Owner))
	}
	if err != nil {
		return nil, businessTaken("open business", err)
	}
	who.Tenant = business
	if err := audit.Record(tx, who.entry(c, audit.Entry{Action: audit.Create, Entity: "business", EntityID: business.String()})); err != nil {
		return nil, err
	}
	if _, _, err := setDetails(tx, business, d); err != nil {
		return nil, err
	}
	return BusinessOf(tx)
}

// ChangeBusiness changes details of the business that tx is bound to. Errors: ErrBusinessNameTaken, ErrTINTaken, ErrInvalidEmail, ErrTimezone; ErrNotMember when it is gone.
func ChangeBusiness(tx *gorm.DB, who Principal, d BusinessDetails, c Client) (*Business, error) {
	if err := d.normalize(); err != nil {
		return nil, err
	}
	before, after, err := setDetails(tx, who.Tenant, d)
	if err != nil {
		return nil, err
	}
	changes := map[string][2]any{}
	for field, pair := range map[string][2]any{
		"name": {before.Name, after.Name}, "tin": {before.TIN, after.TIN}, "email": {before.Email, after.Email}, "address": {before.Address, after.Address},
		"website": {before.Website, after.Website}, "timezone": {before.Timezone, after.Timezone},
	} {
		if pair[0] != pair[1] {
			changes[field] = pair
		}
	}
	if !slices.Equal(before.PhoneNumbers, after.PhoneNumbers) {
		changes["phone_numbers"] = [2]any{before.PhoneNumbers, after.PhoneNumbers}
	}
	if len(changes) == 0 {
		return after, nil
	}
	return after, audit.Record(tx, who.entry(c, audit.Entry{Action: audit.Update, Entity: "business", EntityID: who.Tenant.String(), Changes: changes}))
}

// setDetails writes the details that are given, and returns the business before and after.
func setDetails(tx *gorm.DB, business uuid.UUID, d BusinessDetails) (before, after *Business, err error) {
	if _, err := postgres.Exec(tx, `select from accounts.business where id = $1 for update`, business); err != nil {
		return nil, nil, fmt.Errorf("lock business: %w", err)
	}
	if before, err = BusinessOf(tx); err != nil {
		return nil, nil, err
	}
	_, err = postgres.Exec(tx, `
		update accounts.business set name = coalesce($2, name), tin = nullif(coalesce($3, tin), ''), email = coalesce($4, email), address = coalesce($5, address),
		       website = coalesce($6, website), timezone = coalesce($7, timezone), phone_numbers = coalesce($8, phone_numbers), updated_at = now()
		 where id = $1`, business, d.Name, d.TIN, d.Email, d.Address, d.Website, d.Timezone, d.PhoneNumbers)
	if err != nil {
		return nil, nil, businessTaken("change business", err)
	}
	after, err = BusinessOf(tx)
	return before, after, err
}

// businessTaken turns a violated uniqueness into what the client reads.
func businessTaken(what string, err error) error {
	switch postgres.Constraint(err) {
	case "business_name_key":
		return ErrNameTaken
	case "business_tin_key":
		return ErrTINTaken
	case "membership_user_key":
		return ErrHasBusiness
	}
	return fmt.Errorf("%s: %w", what, err)
}
