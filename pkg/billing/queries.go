package billing

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/money"
)

// LowBalance is the balance, in centicredits, at or below which a business is told to buy more: 10.00.
const LowBalance money.Credits = 10_00

// MaxPage is the most rows one page of a list holds.
const MaxPage = 100

// Lot is one parcel of credits with its own end.
type Lot struct {
	ID uuid.UUID
	// Source is PURCHASE, BONUS, TRIAL or ADMIN.
	Source string
	// Remaining is in the lot, Held is what of it is set aside for calls that run.
	Granted, Remaining, Held money.Credits
	ExpiresAt                time.Time
}

// Credits is what a business may spend at an instant.
type Credits struct {
	// Total may be spent: what the lots hold without what is set aside. What has expired is not in it, even before its expiry is posted.
	Total money.Credits
	// Held is set aside for calls that run, and for those whose use is not in the ledger yet.
	Held money.Credits
	// Ledger is the sum of all entries until then. It is Total + Held, and what has expired without having been posted yet.
	Ledger money.Credits
	// Lots that have something left and have not expired, in the order in which they are spent.
	Lots []Lot
	// Low is set when Total is at most LowBalance.
	Low bool
	// At is the instant.
	At time.Time
}

// Balance returns the credits that the transaction's tenant may spend now, by the database's clock.
func Balance(tx *gorm.DB) (*Credits, error) {
	return balance(tx, `l.remaining`, heldNow, `clock_timestamp()`, `
		select balance, clock_timestamp() from billing.ledger_account where tenant_id = $1 and kind = 'credits' and unit = 'CRD'`)
}

// BalanceAt returns what Balance said at an instant, recomputed from the entries and holds until then. An instant that has not come is now.
func BalanceAt(tx *gorm.DB, at time.Time) (*Credits, error) {
	const instant = `least($2::timestamptz, clock_timestamp())`
	return balance(tx, `coalesce((select sum(e.amount) from billing.ledger_entry e where e.account_id = a.id and e.lot_id = l.id and e.created_at <= $2), 0)::bigint`,
		`coalesce((select sum(case when coalesce(h.ended_at, 'infinity') > `+instant+` then hl.amount else hl.captured end)
			from billing.credit_hold h join billing.credit_hold_lot hl on hl.hold_id = h.id
			where h.tenant_id = l.tenant_id and hl.lot_id = l.id and `+openHold(instant)+`), 0)::bigint`, instant, `
		select coalesce(sum(e.amount), 0)::bigint, `+instant+`
		  from billing.ledger_account a join billing.ledger_entry e on e.account_id = a.id and e.lot_id is not null and e.created_at <= $2
		 where a.tenant_id = $1 and a.kind = 'credits' and a.unit = 'CRD'`, at)
}

// balance reads the lots that have not ended, with what is in each and what is held of it, and the ledger's own sum. The parameter $2 is the instant, if there is one.
func balance(tx *gorm.DB, remaining, held, now, total string, at ...any) (*Credits, error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("read credit balance: %w", err)
	}
	args := append([]any{owner}, at...)
	c := &Credits{Lots: []Lot{}}
	err = query(tx, "read credit balance", `
		select id, source, granted, remaining, held, expires_at from (
			select l.id, l.source, l.granted, `+remaining+` as remaining, `+held+` as held, l.expires_at
			  from billing.ledger_account a join billing.credit_lot l on l.tenant_id = a.tenant_id
			 where a.tenant_id = $1 and a.kind = 'credits' and a.unit = 'CRD' and l.expires_at > `+now+`) as lot
		 where remaining > 0 order by expires_at, id`,
		func(rows pgx.Rows) error {
			var l Lot
			if err := rows.Scan(&l.ID, &l.Source, &l.Granted, &l.Remaining, &l.Held, &l.ExpiresAt); err != nil {
				return err
			}
			var err error
			if c.Total, err = c.Total.Add(l.Remaining - l.Held); err == nil {
				c.Held, err = c.Held.Add(l.Held)
			}
			c.Lots = append(c.Lots, l)
			return err
		}, args...)
	if err != nil {
		return nil, err
	}
	err = query(tx, "read ledger balance", total, func(rows pgx.Rows) error { return rows.Scan(&c.Ledger, &c.At) }, args...)
	c.Low, c.At = c.Total <= LowBalance, c.At.UTC()
	return c, err
}

// LedgerCursor is a place in the ledger; the zero value is before the newest line.
type LedgerCursor struct {
	Transfer uuid.UUID
	Line     int
}

// LedgerLine is one change of a business's credits.
type LedgerLine struct {
	Transfer uuid.UUID
	Line     int
	// Kind is the transfer's: purchase, trial, grant, usage, expiry, refund, reversal or settlement. Source is the lot's: PURCHASE, BONUS, TRIAL or ADMIN.
	Kind, Source string
	// Reference names the cause: for a purchase its reference, for a use the feature.
	Reference string
	Lot       uuid.UUID
	Delta     money.Credits
	At        time.Time
}

// Ledger returns the next lines of the tenant's credits after the cursor, newest first, and the cursor of the page after them; next is nil on the last page.
// until, unless zero, leaves out what was posted after that instant. limit is clamped to 1 to MaxPage.
func Ledger(tx *gorm.DB, after LedgerCursor, until time.Time, limit int) (lines []LedgerLine, next *LedgerCursor, err error) {
	limit = min(max(limit, 1), MaxPage)
	owner, err := owner(tx)
	if err != nil {
		return nil, nil, fmt.Errorf("read ledger: %w", err)
	}
	if after == (LedgerCursor{}) {
		after.Transfer = uuid.Max
	}
	lines = []LedgerLine{}
	err = query(tx, "read ledger", `
		select e.transfer_id, e.line, t.kind, l.source, t.reference, e.lot_id, e.amount, e.created_at
		  from billing.ledger_account a
		  join billing.ledger_entry e on e.account_id = a.id
		  join billing.ledger_transfer t on t.id = e.transfer_id
		  join billing.credit_lot l on l.id = e.lot_id
		 where a.tenant_id = $1 and a.kind = 'credits' and e.lot_id is not null and (e.transfer_id, e.line) < ($2::uuid, $3::int)
		   and ($5::timestamptz is null or e.created_at <= $5)
		 order by e.transfer_id desc, e.line desc limit $4`,
		func(rows pgx.Rows) error {
			var l LedgerLine
			if err := rows.Scan(&l.Transfer, &l.Line, &l.Kind, &l.Source, &l.Reference, &l.Lot, &l.Delta, &l.At); err != nil {
				return err
			}
			lines = append(lines, l)
			return nil
		}, owner, after.Transfer, after.Line, limit+1, nullTime(until))
	if err != nil {
		return nil, nil, err
	}
	if len(lines) > limit {
		lines = lines[:limit]
		next = &LedgerCursor{Transfer: lines[limit-1].Transfer, Line: lines[limit-1].Line}
	}
	return lines, next, nil
}

func nullTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

const selectPurchase = `
	select id, tenant_id, user_id, package, base_minor, tax_lines, tax_minor, amount_expected, currency, credits, bonus, reference, provider, method, status,
	       coalesce(authorization_url, ''), coalesce(access_code, ''), coalesce(provider_txn_id, ''), coalesce(amount_received, 0), coalesce(currency_received, ''),
	       coalesce(review_reason, ''), completed_at, created_at, amount_returned
	  from billing.credit_purchase `

func scanPurchase(rows pgx.Rows) (*Purchase, error) {
	var (
		p                Purchase
		taxes            []byte
		currency, gotCur string
		got              int64
	)
	if err := rows.Scan(&p.ID, &p.Tenant, &p.User, &p.Package, &p.Base.Minor, &taxes, &p.Tax.Minor, &p.Total.Minor, &currency, &p.Credits, &p.Bonus,
		&p.Reference, &p.Provider, &p.Method, &p.Status, &p.CheckoutURL, &p.AccessCode, &p.ProviderTransactionID, &got, &gotCur,
		&p.ReviewReason, &p.CompletedAt, &p.CreatedAt, &p.Returned.Minor); err != nil {
		return nil, err
	}
	c := money.Currency(currency)
	p.Base.Currency, p.Tax.Currency, p.Total.Currency = c, c, c
	p.Returned.Currency = c
	if gotCur != "" {
		p.Received = money.FromMinor(got, money.Currency(gotCur))
		p.Returned.Currency = p.Received.Currency
	}
	var err error
	p.Taxes, err = decodeTaxes(taxes, c)
	return &p, err
}

// decodeTaxes reads stored tax lines: their amounts are decimal strings in the purchase's currency.
func decodeTaxes(raw []byte, c money.Currency) ([]TaxLine, error) {
	var stored []struct {
		TaxLine
		Amount string `json:"amount"`
	}
	if err := json.Unmarshal(raw, &stored); err != nil {
		return nil, fmt.Errorf("decode tax lines: %w", err)
	}
	lines := make([]TaxLine, len(stored))
	for i, s := range stored {
		amount, err := money.Parse(s.Amount, c)
		if err != nil {
			return nil, fmt.Errorf("decode tax line %s: %w", s.Code, err)
		}
		lines[i] = s.TaxLine
		lines[i].Amount = amount
	}
	return lines, nil
}

// decodeCharges reads stored charge lines, which are written as tax lines are.
func decodeCharges(raw []byte, c money.Currency) ([]ChargeLine, error) {
	stored, err := decodeTaxes(raw, c)
	if err != nil {
		return nil, fmt.Errorf("decode service charges: %w", err)
	}
	return column(stored, func(l TaxLine) ChargeLine { return ChargeLine(l) }), nil
}

// Purchases returns the tenant's purchases after the one with id after, newest first, and the id to continue with; uuid.Nil begins, and is
// returned on the last page. limit is clamped to 1 to MaxPage.
func Purchases(tx *gorm.DB, after uuid.UUID, limit int) (list []*Purchase, next uuid.UUID, err error) {
	limit = min(max(limit, 1), MaxPage)
	owner, err := owner(tx)
	if err != nil {
		return nil, uuid.Nil, fmt.Errorf("list purchases: %w", err)
	}
	if after == uuid.Nil {
		after = uuid.Max
	}
	list = []*Purchase{}
	err = query(tx, "list purchases", selectPurchase+`where tenant_id = $1 and id < $2 order by id desc limit $3`,
		func(rows pgx.Rows) error {
			p, err := scanPurchase(rows)
			list = append(list, p)
			return err
		}, owner, after, limit+1)
	if err != nil {
		return nil, uuid.Nil, err
	}
	if len(list) > limit {
		list = list[:limit]
		next = list[limit-1].ID
	}
	return list, next, nil
}

// PurchaseByReference returns the purchase with that reference. ErrNotFound when the transaction sees none: in a tenant's transaction also
// when the reference is another's. A platform transaction of billing-worker sees all.
func PurchaseByReference(tx *gorm.DB, ref string) (*Purchase, error) {
	return onePurchase(tx, "read purchase", `where reference = $1 limit 1`, ref)
}

// PurchaseByID returns the purchase with that id, or ErrNotFound as PurchaseByReference does.
func PurchaseByID(tx *gorm.DB, id uuid.UUID) (*Purchase, error) {
	return onePurchase(tx, "read purchase", `where id = $1`, id)
}

func onePurchase(tx *gorm.DB, what, where string, arg any) (*Purchase, error) {
	var p *Purchase
	err := query(tx, what, selectPurchase+where, func(rows pgx.Rows) (err error) {
		p, err = scanPurchase(rows)
		return err
	}, arg)
	if err != nil {
		return nil, err
	}
	if p == nil {
		return nil, fmt.Errorf("%s: %w", what, ErrNotFound)
	}
	return p, nil
}
