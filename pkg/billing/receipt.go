package billing

import (
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
	// Balance is what the business may spend now, ExpiresAt when the purchased credits end; now, for a purchase that granted none.
	Balance   money.Credits
	ExpiresAt time.Time
}

// PurchaseOwners returns the businesses of the purchases with those ids, as far as tx sees them: each business once, in no order. A batch binds its transaction
// to them (postgres.BindTenants) before ReceiptsFor, if its tasks name no business.
func PurchaseOwners(tx *gorm.DB, ids []uuid.UUID) ([]uuid.UUID, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var owners []uuid.UUID
	err := query(tx, "read owners of purchases", `select distinct tenant_id from billing.credit_purchase where id = any ($1::uuid[])`,
		func(rows pgx.Rows) error {
			var id uuid.UUID
			err := rows.Scan(&id)
			owners = append(owners, id)
			return err
		}, ids)
	return owners, err
}

// ReceiptsFor gathers the receipts of many purchases, by the purchases' ids, with four statements whatever their number. tx must be bound to their businesses: the
// purchases of others have no receipt, nor have those that do not exist or whose business has vanished. An id may come twice. Whether a purchase is completed is for
// the caller to look at. To the end of tx, the planner reads by keys.
func ReceiptsFor(tx *gorm.DB, ids []uuid.UUID) (map[uuid.UUID]*Receipt, error) {
	receipts := make(map[uuid.UUID]*Receipt, len(ids))
	if len(ids) == 0 {
		return receipts, nil
	}
	if err := byKey(tx); err != nil {
		return nil, err
	}
	purchases := make(map[uuid.UUID]*Purchase, len(ids))
	err := query(tx, "read purchases", selectPurchase+`where id = any ($1::uuid[])`, func(rows pgx.Rows) error {
		p, err := scanPurchase(rows)
		if err != nil {
			return err
		}
		purchases[p.ID] = p
		return nil
	}, ids)
	if err != nil || len(purchases) == 0 {
		return receipts, err
	}
	// No index leads from a purchase to its lots. The transfer that posted them does.
	tenants := map[uuid.UUID]bool{}
	err = query(tx, "read receipts", `
		select p.id, coalesce(u.name, o.name, b.name), coalesce(u.email, o.email, b.email), b.name, b.timezone,
		       coalesce((select max(l.expires_at)
		                   from billing.ledger_transfer t
		                   join billing.ledger_entry e on e.transfer_id = t.id
		                   join billing.credit_lot l on l.id = e.lot_id
		                  where t.idempotency_key = 'purchase:' || p.id), now())
		  from billing.credit_purchase p
		  join accounts.business b on b.id = p.tenant_id
		  left join accounts.user u on u.id = p.user_id and u.is_active
		  left join accounts.user o on o.id = b.owner_id and o.is_active
		 where p.id = any ($1::uuid[])`,
		func(rows pgx.Rows) error {
			var id uuid.UUID
			r := &Receipt{}
			if err := rows.Scan(&id, &r.Name, &r.Email, &r.Business, &r.Timezone, &r.ExpiresAt); err != nil {
				return err
			}
			if r.Purchase = purchases[id]; r.Purchase != nil { // nil when it came into being in between
				receipts[id] = r
				tenants[r.Purchase.Tenant] = true
			}
			return nil
		}, ids)
	if err != nil {
		return nil, err
	}
	balances, err := spendable(tx, tenants)
	if err != nil {
		return nil, err
	}
	for _, r := range receipts {
		r.Balance = balances[r.Purchase.Tenant]
	}
	return receipts, nil
}

// spendable returns what each of the tenants may spend now, by the database's clock; Balance says the same of one. It takes what has ended and is not booked out yet, and what
// is set aside, from the account's balance, instead of adding up the lots that last: of those a business that buys more than it uses has ever more.
func spendable(tx *gorm.DB, tenants map[uuid.UUID]bool) (map[uuid.UUID]money.Credits, error) {
	ids := make([]uuid.UUID, 0, len(tenants))
	for id := range tenants {
		ids = append(ids, id)
	}
	balances := make(map[uuid.UUID]money.Credits, len(ids))
	err := query(tx, "read credit balances", `
		select a.tenant_id, a.balance - coalesce((select sum(l.remaining)::bigint from billing.credit_lot l
		                                          where l.tenant_id = a.tenant_id and l.remaining > 0 and l.expires_at <= now()), 0)
		                  - coalesce((select sum(case h.state when 'held' then hl.amount else hl.captured end)::bigint
		                                from billing.credit_hold h
		                                join billing.credit_hold_lot hl on hl.hold_id = h.id
		                                join billing.credit_lot l on l.id = hl.lot_id and l.expires_at > now()
		                               where h.tenant_id = a.tenant_id and (h.state = 'held' and h.expires_at > now() or h.state = 'captured' and h.posted_at is null)), 0)
		  from billing.ledger_account a
		 where a.tenant_id = any ($1::uuid[]) and a.kind = 'credits' and a.unit = 'CRD'`,
		func(rows pgx.Rows) error {
			var id uuid.UUID
			var c money.Credits
			err := rows.Scan(&id, &c)
			balances[id] = c
			return err
		}, ids)
	return balances, err
}
