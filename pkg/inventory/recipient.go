package inventory

import (
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"
)

// Recipient is a person whom a digest about stock is written to.
type Recipient struct {
	User        uuid.UUID
	Owner       bool
	Name, Email string
	Business    string
	// Places are the locations that the person looks after; an owner looks after all.
	Places []uuid.UUID
}

// Sees reports whether the person is told about a place.
func (r Recipient) Sees(location uuid.UUID) bool {
	return r.Owner || slices.Contains(r.Places, location)
}

// Recipients lists who is told about stock: the owner, the person named as manager of a place, and MANAGER members for the storefronts they are assigned to.
// The owner comes first. Nobody is listed twice. tx must be bound to one business.
func Recipients(tx *gorm.DB) ([]Recipient, error) {
	var all []Recipient
	err := query(tx, "list recipients", `
		select r.user_id, r.role = 'OWNER', r.name, r.email, r.business,
		       array(select o.id from inventory.location o where o.tenant_id = r.tenant_id and o.is_active
		              and (o.manager_id = r.user_id or r.role = 'MANAGER' and o.id = any (r.storefronts)))
		  from accounts.v_recipient r
		 order by r.role <> 'OWNER', r.user_id`,
		func(rows pgx.Rows) error {
			var r Recipient
			if err := rows.Scan(&r.User, &r.Owner, &r.Name, &r.Email, &r.Business, &r.Places); err != nil {
				return err
			}
			if r.Owner || len(r.Places) > 0 {
				all = append(all, r)
			}
			return nil
		})
	return all, err
}
