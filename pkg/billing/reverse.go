package billing

import (
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"
)

// kindDebt is the account of a business that was given its money back for credits that it had spent: minus what it owes, never positive.
const kindDebt = "credits_debt"

// taken is what a reversal finds in one lot.
type taken struct {
	lot uuid.UUID
	// free is unspent and not set aside for a call that was captured, spent is what calls have used.
	free, spent int64
}

// reverse undoes the purchases of the batch whose money went back: the sale, what is unspent of their credits, and, on the account credits_debt, what was spent of them.
// Calls that run on these credits are cancelled: their capture will be refused. owed are the reviews that tell a person of debts.
func (b *batch) reverse(tx *gorm.DB, accounts map[platformAccount]uuid.UUID) (p *posting, owed []reviewRow, err error) {
	p = &posting{}
	var undone []*openPurchase
	var tenants, ids []uuid.UUID
	seen := map[uuid.UUID]bool{}
	for _, o := range b.purchases {
		if !o.reversed {
			continue
		}
		undone, ids = append(undone, o), append(ids, o.id)
		if !seen[o.tenant] {
			seen[o.tenant] = true
			tenants = append(tenants, o.tenant)
		}
	}
	if len(undone) == 0 {
		return p, nil, nil
	}
	if _, err := lockAccounts(tx, tenants); err != nil {
		return nil, nil, err
	}
	found, err := takeBack(tx, tenants, ids)
	if err != nil {
		return nil, nil, err
	}
	debts, err := debtAccounts(tx, tenants)
	if err != nil {
		return nil, nil, err
	}
	for _, o := range undone {
		currency := string(o.expected.Currency)
		if err := p.transfer(o.tenant, "refund", "refund:"+o.id.String(), o.reference); err != nil {
			return nil, nil, err
		}
		p.entry(accounts[platformAccount{kindReceivable, currency}], uuid.Nil, currency, -o.expected.Minor)
		p.entry(accounts[platformAccount{kindSales, currency}], uuid.Nil, currency, o.expected.Minor)
		var free, spent int64
		for _, t := range found[o.id] {
			if t.free > 0 {
				p.move(o.account, t.lot, -t.free)
			}
			free, spent = free+t.free, spent+t.spent
		}
		if spent > 0 {
			p.entry(debts[o.tenant], uuid.Nil, unitCredits, -spent)
			owed = append(owed, reviewRow{tenant: o.tenant, purchase: o.id, provider: o.provider, reference: o.reference, reason: ReasonSpent,
				expected: o.expected.Minor, expectedCur: currency, credits: spent})
		}
		if free+spent > 0 {
			p.entry(creditsIssued, uuid.Nil, unitCredits, free+spent)
		}
	}
	if err := p.write(tx); err != nil {
		return nil, nil, fmt.Errorf("reverse purchases: %w", err)
	}
	return p, owed, nil
}

// takeBack cancels the calls that run on the lots of the purchases, and says what is left in each lot and what was spent of it. The accounts must be locked.
func takeBack(tx *gorm.DB, tenants, purchases []uuid.UUID) (map[uuid.UUID][]taken, error) {
	// No index leads from a purchase to its lots. The transfer that posted them does.
	of := map[uuid.UUID]uuid.UUID{}
	var lots []uuid.UUID
	err := query(tx, "find lots of purchases", `
		select p.id, e.lot_id from unnest($1::uuid[]) as p (id)
		  join billing.ledger_transfer t on t.idempotency_key = 'purchase:' || p.id
		  join billing.ledger_entry e on e.transfer_id = t.id and e.lot_id is not null`,
		func(rows pgx.Rows) error {
			var purchase, lot uuid.UUID
			err := rows.Scan(&purchase, &lot)
			of[lot], lots = purchase, append(lots, lot)
			return err
		}, purchases)
	if err != nil {
		return nil, err
	}
	if _, err := exec(tx, "cancel holds", `
		update billing.credit_hold h set state = 'cancelled', ended_at = clock_timestamp()
		 where h.tenant_id = any ($1::uuid[]) and h.state = 'held'
		   and exists (select from billing.credit_hold_lot hl where hl.hold_id = h.id and hl.lot_id = any ($2::uuid[]))`, tenants, lots); err != nil {
		return nil, err
	}
	found := map[uuid.UUID][]taken{}
	err = query(tx, "read lots of purchases", `
		select l.id, l.remaining, `+heldNow+`,
		       coalesce((select -sum(e.amount) from billing.ledger_account a
		                   join billing.ledger_entry e on e.account_id = a.id and e.lot_id = l.id
		                   join billing.ledger_transfer t on t.id = e.transfer_id and t.kind in ('usage', 'reversal')
		                  where a.tenant_id = l.tenant_id and a.kind = 'credits'), 0)::bigint
		  from billing.credit_lot l where l.id = any ($1::uuid[]) order by l.id`,
		func(rows pgx.Rows) error {
			var t taken
			var remaining, captured, used int64
			if err := rows.Scan(&t.lot, &remaining, &captured, &used); err != nil {
				return err
			}
			t.free, t.spent = remaining-captured, used+captured
			found[of[t.lot]] = append(found[of[t.lot]], t)
			return nil
		}, lots)
	return found, err
}

// debtAccounts returns the credits_debt accounts of the businesses, opening those that do not exist yet.
func debtAccounts(tx *gorm.DB, tenants []uuid.UUID) (map[uuid.UUID]uuid.UUID, error) {
	ids := make([]uuid.UUID, len(tenants))
	for i := range ids {
		var err error
		if ids[i], err = uuid.NewV7(); err != nil {
			return nil, fmt.Errorf("make account id: %w", err)
		}
	}
	if _, err := exec(tx, "open debt accounts", `
		insert into billing.ledger_account (id, tenant_id, kind, unit, allow_negative)
		select id, tenant, '`+kindDebt+`', 'CRD', true from unnest($1::uuid[], $2::uuid[]) as a (id, tenant) order by tenant
		    on conflict (tenant_id, kind, unit) do nothing`, ids, tenants); err != nil {
		return nil, err
	}
	accounts := make(map[uuid.UUID]uuid.UUID, len(tenants))
	err := query(tx, "read debt accounts", `select tenant_id, id from billing.ledger_account where tenant_id = any ($1::uuid[]) and kind = '`+kindDebt+`' and unit = 'CRD'`,
		func(rows pgx.Rows) error {
			var owner, id uuid.UUID
			err := rows.Scan(&owner, &id)
			accounts[owner] = id
			return err
		}, tenants)
	return accounts, err
}
