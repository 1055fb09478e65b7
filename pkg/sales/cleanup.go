package sales

import (
	"fmt"

	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"
)

// CleanedUp is what one run of CleanUp did.
type CleanedUp struct {
	// Deleted counts old reservations, Cancelled abandoned carts, and Drift active reservations that their cart contradicts.
	Deleted, Cancelled, Drift int
	// More is set when the run ended at its bound.
	More bool
}

// CleanUp deletes reservations that ended ReservationKept ago, cancels carts that nobody touched for CartAbandoned, with what they reserve, and counts the drift between
// carts and reservations, over all businesses. Drift is only looked at: a reservation that is wrong ends with its cart.
// tx must be a platform transaction; it is bound to the businesses concerned from here to its end.
func CleanUp(tx *gorm.DB) (CleanedUp, error) {
	var c CleanedUp
	if err := drift(tx, &c); err != nil {
		return c, err
	}
	old := fmt.Sprintf(`status <> 'ACTIVE' and ended_at < now() - interval '%d seconds'`, int64(ReservationKept.Seconds()))
	if err := bindSwept(tx, `select tenant_id from sales.reservation where `+old+` order by ended_at limit $1`, sweepMost); err != nil {
		return c, err
	}
	for c.Deleted < sweepMost {
		n, err := exec(tx, "delete old reservations", `
			delete from sales.reservation where id in (
				select id from sales.reservation where `+old+` order by ended_at limit $1 for update skip locked)`, sweepBatch)
		if err != nil {
			return c, err
		}
		if n == 0 {
			break
		}
		c.Deleted += int(n)
	}
	idle := fmt.Sprintf(`status = 'DRAFT' and updated_at < now() - interval '%d seconds'`, int64(CartAbandoned.Seconds()))
	if err := bindSwept(tx, `select tenant_id from sales.sale where `+idle+` order by updated_at limit $1`, sweepMost); err != nil {
		return c, err
	}
	for c.Cancelled < sweepMost {
		n := 0
		err := query(tx, "cancel abandoned carts", `
			with due as (
				select id from sales.sale where `+idle+` order by updated_at limit $1 for update skip locked
			), ended as (
				update sales.sale s set status = 'CANCELLED', updated_at = now(), ended_at = now() from due where s.id = due.id returning s.id
			), freed as (
				update sales.reservation r set status = 'CANCELLED', ended_at = now() from ended where r.sale_id = ended.id and r.status = 'ACTIVE'
			)
			select count(*) from ended`, func(rows pgx.Rows) error { return rows.Scan(&n) }, sweepBatch)
		if err != nil {
			return c, err
		}
		if n == 0 {
			break
		}
		c.Cancelled += n
	}
	c.More = c.Deleted >= sweepMost || c.Cancelled >= sweepMost
	return c, nil
}

// drift counts active, unexpired reservations of a cart that is no cart any more, or of another quantity than the cart's line.
func drift(tx *gorm.DB, c *CleanedUp) error {
	if err := bindSwept(tx, `select tenant_id from sales.reservation where status = 'ACTIVE' and expires_at > now() order by expires_at limit $1`, 10*sweepMost); err != nil {
		return err
	}
	return query(tx, "count reservation drift", `
		select count(*) from sales.reservation r
		  join sales.sale s on s.tenant_id = r.tenant_id and s.id = r.sale_id
		 where r.status = 'ACTIVE' and r.expires_at > now()
		   and (s.status <> 'DRAFT' or r.quantity is distinct from (select sum(i.quantity) from sales.sale_item i where i.sale_id = r.sale_id and i.product_id = r.product_id))`,
		func(rows pgx.Rows) error { return rows.Scan(&c.Drift) })
}
