package billing

import (
	"bytes"

	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/money"
)

// unitCredits is the ledger's unit for AI credits: 1/100 credit.
const unitCredits = "CRD"

// The kinds of platform accounts that hold money; there is one of each for a currency.
const (
	kindReceivable        = "provider_receivable"
	kindSales             = "credit_sales"
	kindSubscriptionSales = "subscription_sales"
	kindSuspense          = "suspense"
)

// creditsIssued is the platform's side of every credit entry. Its id is written by the migration that creates the ledger.
var creditsIssued = uuid.MustParse("00000000-0000-7000-8000-000000000001")

// posting gathers transfers with their lots and entries, and writes them with a constant number of statements, however many they are.
// The zero value is empty and ready to use.
type posting struct {
	transfers []transferRow
	lots      []lotRow
	entries   []entryRow
	// moves are what lots that exist gain and lose.
	moves map[uuid.UUID]int64
}

type transferRow struct {
	id, tenant           uuid.UUID
	kind, key, reference string
}

type lotRow struct {
	id, tenant, purchase uuid.UUID
	source               string
	amount               int64
}

type entryRow struct {
	transfer, tenant, account, lot uuid.UUID
	line                           int16
	unit                           string
	amount                         int64
}

// transfer begins a transfer; key makes it happen once. The lots and entries that follow belong to it.
func (p *posting) transfer(tenant uuid.UUID, kind, key, reference string) error {
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("make transfer id: %w", err)
	}
	p.transfers = append(p.transfers, transferRow{id: id, tenant: tenant, kind: kind, key: key, reference: reference})
	return nil
}

// grant adds a lot to the last transfer and the entry that fills it on the tenant's account. purchase is uuid.Nil for credits that were given.
func (p *posting) grant(account, purchase uuid.UUID, source string, amount money.Credits) error {
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("make lot id: %w", err)
	}
	t := p.transfers[len(p.transfers)-1]
	p.lots = append(p.lots, lotRow{id: id, tenant: t.tenant, purchase: purchase, source: source, amount: int64(amount)})
	p.entry(account, id, unitCredits, int64(amount))
	return nil
}

// entry adds one entry to the last transfer; lot is uuid.Nil where no lot changes.
func (p *posting) entry(account, lot uuid.UUID, unit string, amount int64) {
	t := p.transfers[len(p.transfers)-1]
	line := int16(1)
	if n := len(p.entries); n > 0 && p.entries[n-1].transfer == t.id {
		line = p.entries[n-1].line + 1
	}
	p.entries = append(p.entries, entryRow{transfer: t.id, tenant: t.tenant, account: account, lot: lot, line: line, unit: unit, amount: amount})
}

// move adds an entry on a tenant's account that takes from a lot that exists (amount < 0) or gives back to it.
func (p *posting) move(account, lot uuid.UUID, amount int64) {
	p.entry(account, lot, unitCredits, amount)
	if p.moves == nil {
		p.moves = map[uuid.UUID]int64{}
	}
	p.moves[lot] += amount
}

// write inserts what was gathered, apart from the balances. All arrives in one statement, as the ledger's triggers demand. A transfer that was posted before
// violates ledger_transfer_idempotency_key.
func (p *posting) write(tx *gorm.DB) error {
	if len(p.transfers) == 0 {
		return nil
	}
	_, err := exec(tx, "post transfers", `
		with transfers as (
			insert into billing.ledger_transfer (id, tenant_id, kind, idempotency_key, reference)
			select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[])
		), lots as (
			insert into billing.credit_lot (id, tenant_id, purchase_id, source, granted, remaining, expires_at)
			select id, tenant_id, nullif(purchase_id, '00000000-0000-0000-0000-000000000000'), source, amount, amount, now() + interval '`+lotLife+`'
			  from unnest($6::uuid[], $7::uuid[], $8::uuid[], $9::text[], $10::bigint[]) as l (id, tenant_id, purchase_id, source, amount)
		)
		insert into billing.ledger_entry (transfer_id, line, tenant_id, account_id, lot_id, unit, amount)
		select transfer_id, line, tenant_id, account_id, nullif(lot_id, '00000000-0000-0000-0000-000000000000'), unit, amount
		  from unnest($11::uuid[], $12::smallint[], $13::uuid[], $14::uuid[], $15::uuid[], $16::text[], $17::bigint[])
		       as e (transfer_id, line, tenant_id, account_id, lot_id, unit, amount)`,
		column(p.transfers, func(r transferRow) uuid.UUID { return r.id }),
		column(p.transfers, func(r transferRow) uuid.UUID { return r.tenant }),
		column(p.transfers, func(r transferRow) string { return r.kind }),
		column(p.transfers, func(r transferRow) string { return r.key }),
		column(p.transfers, func(r transferRow) string { return r.reference }),
		column(p.lots, func(r lotRow) uuid.UUID { return r.id }),
		column(p.lots, func(r lotRow) uuid.UUID { return r.tenant }),
		column(p.lots, func(r lotRow) uuid.UUID { return r.purchase }),
		column(p.lots, func(r lotRow) string { return r.source }),
		column(p.lots, func(r lotRow) int64 { return r.amount }),
		column(p.entries, func(r entryRow) uuid.UUID { return r.transfer }),
		column(p.entries, func(r entryRow) int16 { return r.line }),
		column(p.entries, func(r entryRow) uuid.UUID { return r.tenant }),
		column(p.entries, func(r entryRow) uuid.UUID { return r.account }),
		column(p.entries, func(r entryRow) uuid.UUID { return r.lot }),
		column(p.entries, func(r entryRow) string { return r.unit }),
		column(p.entries, func(r entryRow) int64 { return r.amount }))
	if err != nil || len(p.moves) == 0 {
		return err
	}
	// Only those who hold the account's lock come here, so no two transactions change one lot.
	lots := slices.SortedFunc(maps.Keys(p.moves), func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	n, err := exec(tx, "update lots", `
		update billing.credit_lot l set remaining = l.remaining + s.amount from unnest($1::uuid[], $2::bigint[]) as s (id, amount) where l.id = s.id`,
		lots, column(lots, func(id uuid.UUID) int64 { return p.moves[id] }))
	if err == nil && n != int64(len(lots)) {
		err = fmt.Errorf("update lots: %d of %d found", n, len(lots))
	}
	return err
}

// writeBalances adds the written entries to the balances of their accounts, once for each account. It comes last in a transaction, because the platform's
// accounts are in every transfer: whoever holds their locks holds up everybody else. The businesses' accounts are locked first, in the order of their ids, as those do who must
// keep others from a business's credits for a while (lockAccounts), and then the platform's: so no two transactions wait for each other.
func (p *posting) writeBalances(tx *gorm.DB) error {
	sums := map[uuid.UUID]int64{}
	for _, e := range p.entries {
		sums[e.account] += e.amount
	}
	if len(sums) == 0 {
		return nil
	}
	ids := slices.SortedFunc(maps.Keys(sums), func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	// Entries reference accounts only by a set-wise check, so nobody takes a key lock on these rows; NO KEY UPDATE is what the update below takes.
	locked, err := exec(tx, "lock accounts", `select id from billing.ledger_account where id = any ($1::uuid[]) order by tenant_id is null, id for no key update`, ids)
	if err != nil {
		return err
	}
	n, err := exec(tx, "update balances", `
		update billing.ledger_account a set balance = a.balance + s.amount
		  from unnest($1::uuid[], $2::bigint[]) as s (id, amount) where a.id = s.id`,
		ids, column(ids, func(id uuid.UUID) int64 { return sums[id] }))
	if err != nil {
		return err
	}
	if locked != int64(len(ids)) || n != int64(len(ids)) {
		return fmt.Errorf("update balances: %d of %d accounts found", n, len(ids))
	}
	return nil
}

// platformAccount names one of the platform's money accounts.
type platformAccount struct{ kind, currency string }

// platformAccounts returns the ids of the money accounts in the given currencies, opening those that do not exist yet.
func platformAccounts(tx *gorm.DB, currencies []string) (map[platformAccount]uuid.UUID, error) {
	found := map[platformAccount]uuid.UUID{}
	read := func() error {
		return query(tx, "read platform accounts", `
			select id, kind, unit from billing.ledger_account where tenant_id is null and kind = any ($1::text[]) and unit = any ($2::text[])`,
			func(rows pgx.Rows) error {
				var id uuid.UUID
				var a platformAccount
				err := rows.Scan(&id, &a.kind, &a.currency)
				found[a] = id
				return err
			}, moneyKinds(), currencies)
	}
	if err := read(); err != nil {
		return nil, err
	}
	var missing []platformAccount
	for _, c := range currencies {
		for _, kind := range moneyKinds() {
			if a := (platformAccount{kind, c}); found[a] == uuid.Nil {
				missing = append(missing, a)
			}
		}
	}
	if len(missing) == 0 {
		return found, nil
	}
	ids := make([]uuid.UUID, len(missing))
	for i := range ids {
		var err error
		if ids[i], err = uuid.NewV7(); err != nil {
			return nil, fmt.Errorf("make account id: %w", err)
		}
	}
	_, err := exec(tx, "open platform accounts", `
		insert into billing.ledger_account (id, kind, unit, allow_negative)
		select id, kind, unit, true from unnest($1::uuid[], $2::text[], $3::text[]) as a (id, kind, unit) order by kind, unit
		    on conflict (tenant_id, kind, unit) do nothing`,
		ids, column(missing, func(a platformAccount) string { return a.kind }), column(missing, func(a platformAccount) string { return a.currency }))
	if err != nil {
		return nil, err
	}
	return found, read()
}

func moneyKinds() []string {
	return []string{kindReceivable, kindSales, kindSubscriptionSales, kindSuspense}
}

// column takes one column out of rows.
func column[R, V any](rows []R, value func(R) V) []V {
	values := make([]V, len(rows))
	for i, r := range rows {
		values[i] = value(r)
	}
	return values
}
