package sales

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/money"
)

// terms is what a business has chosen that matters to a sale.
type terms struct {
	currency money.Currency
	zone     *time.Location
	taxBP    int64
}

// scanZone reads a zone's name. accounts checks it when it is chosen, so one that is unknown now is a fault of this machine.
func scanZone(name string) (*time.Location, error) {
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("load the business's time zone: %w", err)
	}
	return zone, nil
}

// termsOf returns the terms of the business that tx is bound to.
func termsOf(tx *gorm.DB) (t terms, err error) {
	err = query(tx, "read terms of the business", `select currency, timezone, sales_tax_bp from accounts.v_settings`, func(rows pgx.Rows) error {
		var zone string
		if err := rows.Scan(&t.currency, &zone, &t.taxBP); err != nil {
			return err
		}
		t.zone, err = scanZone(zone)
		return err
	})
	if err == nil && t.zone == nil {
		err = fmt.Errorf("read terms of the business: there are none")
	}
	return t, err
}

// day is the business's local date at an instant, as PostgreSQL's date type carries it.
func (t terms) day(at time.Time) time.Time {
	y, m, d := at.In(t.zone).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

// midnight is the instant at which a date begins for the business.
func (t terms) midnight(day time.Time) time.Time {
	y, m, d := day.Date()
	return time.Date(y, m, d, 0, 0, 0, 0, t.zone)
}

// openStorefront refuses a place where nothing can be sold.
func openStorefront(tx *gorm.DB, id uuid.UUID) error {
	found := false
	err := query(tx, "look for storefront", `select from inventory.location where id = $1 and kind = 'STOREFRONT' and is_active`, func(pgx.Rows) error {
		found = true
		return nil
	}, id)
	if err == nil && !found {
		err = ErrUnknownStorefront
	}
	return err
}
