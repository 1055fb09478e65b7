package billing

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/money"
)

// Receipt is what the mail about a completed purchase says.
type Receipt struct {
	Purchase *Purchase
	// Name and Email are the purchaser's, or the owner's when the purchaser is gone.
	Name, Email string
	// Business and Timezone are the business's.
	Business, Timezone string
	// Balance is what the business may spend now, ExpiresAt when the purchased credits end.
	Balance   money.Credits
	ExpiresAt time.Time
}

// ReceiptFor gathers the receipt of a purchase in the transaction's tenant. Whether the purchase is completed is for the caller to look at.
// Errors: ErrNotFound. A purchase whose business has vanished is ErrNotFound too.
func ReceiptFor(tx *gorm.DB, id uuid.UUID) (*Receipt, error) {
	p, err := PurchaseByID(tx, id)
	if err != nil {
		return nil, err
	}
	r := &Receipt{Purchase: p}
	found := false
	err = query(tx, "read receipt", `
		select coalesce(u.name, o.name, b.name), coalesce(u.email, o.email, b.email), b.name, b.timezone,
		       coalesce((select max(expires_at) from billing.credit_lot where purchase_id = $2 and tenant_id = $1), now())
		  from accounts.business b
		  left join accounts.user u on u.id = $3 and u.is_active
		  left join accounts.user o on o.id = b.owner_id and o.is_active
		 where b.id = $1`,
		func(rows pgx.Rows) error {
			found = true
			return rows.Scan(&r.Name, &r.Email, &r.Business, &r.Timezone, &r.ExpiresAt)
		}, p.Tenant, p.ID, p.User)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, fmt.Errorf("read receipt of %s: business: %w", id, ErrNotFound)
	}
	credits, err := Balance(tx)
	if err != nil {
		return nil, err
	}
	r.Balance = credits.Total
	return r, nil
}
