package reporting

import (
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"
)

// Recipient is a member who can be written to.
type Recipient struct {
	Name, Email, Business, Timezone string
}

// RecipientOf returns the member who asked for a report; nil when they are none any more. tx must be bound to the business.
func RecipientOf(tx *gorm.DB, user uuid.UUID) (p *Recipient, err error) {
	business, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("look for the reader: %w", err)
	}
	err = query(tx, "look for the reader", `select r.name, r.email, r.business, v.timezone from accounts.v_recipient r join accounts.v_settings v on v.tenant_id = r.tenant_id
		where r.tenant_id = $1 and r.user_id = $2`, func(rows pgx.Rows) error {
		p = &Recipient{}
		return rows.Scan(&p.Name, &p.Email, &p.Business, &p.Timezone)
	}, business, user)
	return p, err
}
