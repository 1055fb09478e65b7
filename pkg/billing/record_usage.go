package billing

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/money"
)

// RecordedUsage says what RecordUsage did for one hold.
type RecordedUsage struct {
	Tenant  uuid.UUID
	Credits money.Credits
	// Fresh is set when this call brought the use into the ledger, and not one before it.
	Fresh bool
}

// RecordUsage brings captured holds into the ledger, one transfer for each: the credits leave their lots and go back to credits_issued. Holds that tx does not see, or that were
// not captured, are not in the result. It needs the same few statements whatever their number. tx must be bound to their businesses.
func RecordUsage(ctx context.Context, tx *gorm.DB, ids []uuid.UUID) (map[uuid.UUID]RecordedUsage, error) {
	done := make(map[uuid.UUID]RecordedUsage, len(ids))
	if len(ids) == 0 {
		return done, nil
	}
	tx = tx.WithContext(ctx)
	if err := byKey(tx); err != nil {
		return nil, err
	}
	tenants, err := holders(tx, ids)
	if err != nil || len(tenants) == 0 {
		return done, err
	}
	accounts, err := lockAccounts(tx, tenants)
	if err != nil {
		return nil, err
	}
	p := &posting{}
	var last uuid.UUID
	var sum int64
	closeTransfer := func() {
		if sum > 0 {
			p.entry(creditsIssued, uuid.Nil, unitCredits, sum)
			sum = 0
		}
	}
	var fresh []uuid.UUID
	err = query(tx, "read captured holds", `
		select h.id, h.tenant_id, h.feature, h.captured, h.posted_at is null, hl.lot_id, hl.captured
		  from billing.credit_hold h join billing.credit_hold_lot hl on hl.hold_id = h.id and hl.captured > 0
		 where h.id = any ($1::uuid[]) and h.state = 'captured' order by h.id, hl.line for update of h`,
		func(rows pgx.Rows) error {
			var id, owner, lot uuid.UUID
			var feature string
			var captured money.Credits
			var part int64
			var open bool
			if err := rows.Scan(&id, &owner, &feature, &captured, &open, &lot, &part); err != nil {
				return err
			}
			if id != last {
				closeTransfer()
				last = id
				done[id] = RecordedUsage{Tenant: owner, Credits: captured, Fresh: open}
				if open {
					fresh = append(fresh, id)
					if err := p.transfer(owner, "usage", "usage:"+id.String(), feature); err != nil {
						return err
					}
				}
			}
			if open {
				p.move(accounts[owner], lot, -part)
				sum += part
			}
			return nil
		}, ids)
	if err != nil {
		return nil, err
	}
	closeTransfer()
	if len(fresh) == 0 {
		return done, nil
	}
	if err := p.write(tx); err != nil {
		return nil, fmt.Errorf("record usage: %w", err)
	}
	if _, err := exec(tx, "close holds", `update billing.credit_hold set posted_at = now() where id = any ($1::uuid[]) and posted_at is null`, fresh); err != nil {
		return nil, err
	}
	return done, p.writeBalances(tx)
}

// holders returns the businesses of the holds.
func holders(tx *gorm.DB, ids []uuid.UUID) (tenants []uuid.UUID, err error) {
	err = query(tx, "read owners of holds", `select distinct tenant_id from billing.credit_hold where id = any ($1::uuid[])`,
		func(rows pgx.Rows) error {
			var id uuid.UUID
			err := rows.Scan(&id)
			tenants = append(tenants, id)
			return err
		}, ids)
	return tenants, err
}

// lockAccounts locks the credit accounts of businesses, in the order in which writeBalances does, and returns them by business.
func lockAccounts(tx *gorm.DB, tenants []uuid.UUID) (map[uuid.UUID]uuid.UUID, error) {
	accounts := make(map[uuid.UUID]uuid.UUID, len(tenants))
	err := query(tx, "lock credit accounts", `
		select tenant_id, id from billing.ledger_account where tenant_id = any ($1::uuid[]) and kind = 'credits' and unit = 'CRD' order by id for no key update`,
		func(rows pgx.Rows) error {
			var owner, id uuid.UUID
			err := rows.Scan(&owner, &id)
			accounts[owner] = id
			return err
		}, tenants)
	return accounts, err
}
