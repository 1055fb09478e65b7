package billing

import (
	"fmt"
	"math/bits"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/money"
)

// kindDebt is the account of a business that was given its money back for credits that it had spent: minus what it owes, never positive.
const kindDebt = "credits_debt"

// taken is what a reversal finds in one lot.
type taken struct {
	lot uuid.UUID
	// granted is what the lot began with; free is unspent and not set aside for a call, spent is what calls have used.
	granted, free, spent int64
}

// reverse takes what went back of the batch's purchases out of the sales, and its share of their credits: what is unspent of it is taken back, and what was spent of it goes to the
// account credits_debt. When the whole payment has gone back, the share is all that is left. Calls that run on credits which are taken are cancelled: their capture will be refused.
// owed are the reviews that tell a person of debts.
func (b *batch) reverse(tx *gorm.DB, accounts map[platformAccount]uuid.UUID) (p *posting, owed []reviewRow, err error) {
	p = &posting{}
	var undone []*openPurchase
	var tenants []uuid.UUID
	events := map[*openPurchase]uuid.UUID{}
	seen := map[uuid.UUID]bool{}
	for _, o := range b.purchases {
		if !o.reversed {
			continue
		}
		undone = append(undone, o)
		if !seen[o.tenant] {
			seen[o.tenant] = true
			tenants = append(tenants, o.tenant)
		}
	}
	if len(undone) == 0 {
		return p, nil, nil
	}
	for i, v := range b.verdicts {
		if v.back.Positive() {
			events[b.purchases[b.of[i]]] = b.evidence[i].Event
		}
	}
	if _, err := lockAccounts(tx, tenants); err != nil {
		return nil, nil, err
	}
	found, err := takeBack(tx, tenants, undone)
	if err != nil {
		return nil, nil, err
	}
	debts, err := debtAccounts(tx, tenants)
	if err != nil {
		return nil, nil, err
	}
	for _, o := range undone {
		currency := string(o.basis().Currency)
		if err := p.transfer(o.tenant, "refund", refundKey(o), o.reference); err != nil {
			return nil, nil, err
		}
		p.entry(accounts[platformAccount{kindReceivable, currency}], uuid.Nil, currency, -o.due())
		p.entry(accounts[platformAccount{kindSales, currency}], uuid.Nil, currency, o.due())
		take, owe := o.share(found[o.id])
		for _, t := range found[o.id] {
			if n := min(t.free, take); n > 0 {
				p.move(o.account, t.lot, -n)
				take -= n
				p.entry(creditsIssued, uuid.Nil, unitCredits, n)
			}
		}
		if owe > 0 {
			p.entry(debts[o.tenant], uuid.Nil, unitCredits, -owe)
			p.entry(creditsIssued, uuid.Nil, unitCredits, owe)
			o.owed += money.Credits(owe)
			owed = append(owed, reviewRow{tenant: o.tenant, purchase: o.id, event: events[o], provider: o.provider, reference: o.reference, reason: ReasonSpent,
				expected: o.expected.Minor, expectedCur: string(o.expected.Currency), credits: owe})
		}
	}
	if err := p.write(tx); err != nil {
		return nil, nil, fmt.Errorf("reverse purchases: %w", err)
	}
	return p, owed, nil
}

// refundKey names the transfer that takes what is due out of the sales. A purchase that is given back at once has one.
func refundKey(o *openPurchase) string {
	if o.posted == 0 && o.status == Refunded {
		return "refund:" + o.id.String()
	}
	return fmt.Sprintf("refund:%s:%d", o.id, o.returned)
}

// wanted is what the money that is due has bought of so many credits, rounded down until the last of it has gone.
func (p *openPurchase) wanted(granted int64) int64 {
	return part64(granted, p.returned, p.basis().Minor) - part64(granted, p.posted, p.basis().Minor)
}

// share splits what the money that is due has bought: what can be taken out of the lots, and what is owed because it was spent.
func (p *openPurchase) share(lots []taken) (take, owe int64) {
	var granted, free, spent int64
	for _, t := range lots {
		granted, free, spent = granted+t.granted, free+t.free, spent+t.spent
	}
	spent -= int64(p.owed)
	if p.status == Refunded {
		return free, max(spent, 0)
	}
	want := p.wanted(granted)
	take = min(want, free)
	return take, max(min(want-take, spent), 0)
}

// part64 is whole × n / of, rounded down, where n is between 0 and of. It does not overflow.
func part64(whole, n, of int64) int64 {
	hi, lo := bits.Mul64(uint64(whole), uint64(n))
	q, _ := bits.Div64(hi, lo, uint64(of))
	return int64(q)
}

// takeBack says of each lot of the purchases what is left in it and what was spent of it. Where a share is more than what no call has set aside, it cancels the calls that run on the
// purchase's lots. The accounts must be locked.
func takeBack(tx *gorm.DB, tenants []uuid.UUID, undone []*openPurchase) (map[uuid.UUID][]taken, error) {
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
		}, column(undone, func(o *openPurchase) uuid.UUID { return o.id }))
	if err != nil {
		return nil, err
	}
	found, err := readTaken(tx, lots, of)
	if err != nil {
		return nil, err
	}
	var needed []uuid.UUID
	for _, o := range undone {
		var granted, free int64
		for _, t := range found[o.id] {
			granted, free = granted+t.granted, free+t.free
		}
		if o.status != Refunded && o.wanted(granted) <= free {
			continue
		}
		for _, t := range found[o.id] {
			needed = append(needed, t.lot)
		}
	}
	if len(needed) == 0 {
		return found, nil
	}
	cancelled, err := exec(tx, "cancel holds", `
		update billing.credit_hold h set state = 'cancelled', ended_at = clock_timestamp()
		 where h.tenant_id = any ($1::uuid[]) and h.state = 'held'
		   and exists (select from billing.credit_hold_lot hl where hl.hold_id = h.id and hl.lot_id = any ($2::uuid[]))`, tenants, needed)
	if err != nil || cancelled == 0 {
		return found, err
	}
	return readTaken(tx, lots, of)
}

// readTaken reads the lots of purchases, in the order of their ids.
func readTaken(tx *gorm.DB, lots []uuid.UUID, of map[uuid.UUID]uuid.UUID) (map[uuid.UUID][]taken, error) {
	found := map[uuid.UUID][]taken{}
	return found, query(tx, "read lots of purchases", `
		select l.id, l.granted, l.remaining - `+heldNow+`,
		       coalesce((select -sum(e.amount) from billing.ledger_account a
		                   join billing.ledger_entry e on e.account_id = a.id and e.lot_id = l.id
		                   join billing.ledger_transfer t on t.id = e.transfer_id and t.kind in ('usage', 'reversal')
		                  where a.tenant_id = l.tenant_id and a.kind = 'credits'), 0)::bigint
		       + coalesce((select sum(hl.captured) from billing.credit_hold h join billing.credit_hold_lot hl on hl.hold_id = h.id
		                    where h.tenant_id = l.tenant_id and hl.lot_id = l.id and h.state = 'captured' and h.posted_at is null), 0)::bigint
		  from billing.credit_lot l where l.id = any ($1::uuid[]) order by l.id`,
		func(rows pgx.Rows) error {
			var t taken
			err := rows.Scan(&t.lot, &t.granted, &t.free, &t.spent)
			t.free = max(t.free, 0)
			found[of[t.lot]] = append(found[of[t.lot]], t)
			return err
		}, lots)
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
