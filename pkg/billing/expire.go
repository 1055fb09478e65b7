package billing

import (
	"fmt"
	"strconv"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/money"
	"makola/pkg/postgres"
)

// ExpireLots posts the end of at most limit lots that have ended with something left: one transfer of kind expiry for each. What an open hold has set aside stays, and is
// posted by a later run if the hold gives it back. Ended lots cannot be spent before either, because spending asks the clock; this brings the ledger in line.
// more says that there may be others.
//
// tx must be a platform transaction of billing-worker; it is bound to the businesses of the lots from here to its end.
func ExpireLots(tx *gorm.DB, limit int) (lots int, credits money.Credits, more bool, err error) {
	var tenants []uuid.UUID
	seen := map[uuid.UUID]bool{}
	var ended []uuid.UUID
	err = query(tx, "find ended lots", `
		select l.id, l.tenant_id from billing.credit_lot l
		 where l.remaining > 0 and l.expires_at <= now() and l.remaining > `+heldNow+` order by l.expires_at, l.id limit $1`,
		func(rows pgx.Rows) error {
			var id, owner uuid.UUID
			err := rows.Scan(&id, &owner)
			ended = append(ended, id)
			if !seen[owner] {
				seen[owner] = true
				tenants = append(tenants, owner)
			}
			return err
		}, limit)
	if err != nil || len(ended) == 0 {
		return 0, 0, false, err
	}
	if err := postgres.BindTenants(tx, tenants); err != nil {
		return 0, 0, false, fmt.Errorf("expire lots: %w", err)
	}
	accounts, err := lockAccounts(tx, tenants)
	if err != nil {
		return 0, 0, false, err
	}
	p := &posting{}
	err = query(tx, "read ended lots", `
		select l.id, l.tenant_id, l.remaining, l.remaining - `+heldNow+` from billing.credit_lot l where l.id = any ($1::uuid[]) order by l.id`,
		func(rows pgx.Rows) error {
			var id, owner uuid.UUID
			var remaining, free int64
			if err := rows.Scan(&id, &owner, &remaining, &free); err != nil || free <= 0 {
				return err
			}
			// What is left only ever falls, so the key names this expiry of the lot and no other.
			if err := p.transfer(owner, "expiry", "expiry:"+id.String()+":"+strconv.FormatInt(remaining, 10), ""); err != nil {
				return err
			}
			p.move(accounts[owner], id, -free)
			p.entry(creditsIssued, uuid.Nil, unitCredits, free)
			lots++
			credits, err = credits.Add(money.Credits(free))
			return err
		}, ended)
	if err != nil {
		return 0, 0, false, err
	}
	if err := p.write(tx); err != nil {
		return 0, 0, false, fmt.Errorf("expire lots: %w", err)
	}
	return lots, credits, len(ended) == limit, p.writeBalances(tx)
}
