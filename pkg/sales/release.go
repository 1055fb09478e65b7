package sales

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/audit"
	"makola/pkg/postgres"
)

const (
	// sweepBatch is how many rows one statement of a sweep changes: enough to be quick, few enough that a cashier waits for no more than some milliseconds.
	sweepBatch = 1000
	// sweepMost bounds one run of a sweep, whose locks last until its commit. What is left waits for the next run.
	sweepMost = 20 * sweepBatch
	// ReservationKept is how long an ended reservation can be looked up.
	ReservationKept = 7 * 24 * time.Hour
	// CartAbandoned is how long nobody touched a cart that is cancelled.
	CartAbandoned = 24 * time.Hour
)

// Released is what one run of ReleaseExpired did.
type Released struct {
	Reservations, Carts int
	// More is set when the run ended at its bound.
	More bool
}

// releaser names who gave stock back, in the audit log.
const releaser = "task:sales.release_expired_reservations"

// ReleaseExpired ends the reservations of all businesses whose time is over, and says so in each business's audit log. Rows that a checkout has locked are left to it.
// tx must be a platform transaction; it is bound to the businesses concerned from here to its end.
func ReleaseExpired(tx *gorm.DB) (Released, error) {
	var r Released
	if err := bindSwept(tx, `select tenant_id from sales.reservation where status = 'ACTIVE' and expires_at <= now() order by expires_at limit $1`, sweepMost); err != nil {
		return r, err
	}
	carts := map[uuid.UUID]bool{}
	for r.Reservations < sweepMost {
		var entries []audit.Entry
		n := 0
		err := query(tx, "release reservations", `
			with due as (
				select id from sales.reservation where status = 'ACTIVE' and expires_at <= now() order by expires_at limit $1 for update skip locked
			), ended as (
				update sales.reservation r set status = 'RELEASED', ended_at = now() from due where r.id = due.id returning r.tenant_id, r.sale_id, r.product_id, r.quantity
			)
			select tenant_id, sale_id, count(*), sum(quantity)::bigint from ended group by 1, 2`,
			func(rows pgx.Rows) error {
				var business, sale uuid.UUID
				var lines int
				var units int64
				if err := rows.Scan(&business, &sale, &lines, &units); err != nil {
					return err
				}
				n += lines
				carts[sale] = true
				entries = append(entries, audit.Entry{Tenant: business, Actor: releaser, Action: "stock.released", Entity: "sale", EntityID: sale.String(),
					Changes: map[string]any{"reservations": lines, "units": units}})
				return nil
			}, sweepBatch)
		if err != nil {
			return r, err
		}
		if n == 0 {
			break
		}
		if err := audit.Record(tx, entries...); err != nil {
			return r, fmt.Errorf("release reservations: %w", err)
		}
		r.Reservations += n
	}
	r.Carts, r.More = len(carts), r.Reservations >= sweepMost
	return r, nil
}

// bindSwept binds tx to the businesses of the rows that find lists; find gets the most rows there may be.
func bindSwept(tx *gorm.DB, find string, most int) error {
	var tenants []uuid.UUID
	err := query(tx, "find businesses to sweep", `select distinct tenant_id from (`+find+`) x`, func(rows pgx.Rows) error {
		var id uuid.UUID
		err := rows.Scan(&id)
		tenants = append(tenants, id)
		return err
	}, most)
	if err != nil {
		return err
	}
	if err := postgres.BindTenants(tx, tenants); err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	return nil
}
