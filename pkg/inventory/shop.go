package inventory

import (
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/money"
)

// Shop is what digests need to know of a business.
type Shop struct {
	Currency money.Currency
	Timezone string
}

// ShopOf reads it. tx must be bound to the business.
func ShopOf(tx *gorm.DB, business uuid.UUID) (Shop, error) {
	var s Shop
	err := query(tx, "read business", `select currency, timezone from accounts.v_business where id = $1`,
		func(rows pgx.Rows) error { return rows.Scan((*string)(&s.Currency), &s.Timezone) }, business)
	return s, err
}
