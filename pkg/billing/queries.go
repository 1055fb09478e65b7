package billing

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/money"
	"makola/pkg/postgres"
	"makola/pkg/tenant"
)

// LowBalance is the balance, in centicredits, at or below which a business is told to buy more: 10.00.
const LowBalance money.Credits = 10_00

// MaxPage is the most rows one page of a list holds.
const MaxPage = 100

// Lot is one parcel of credits with its own end.
type Lot struct {
	ID uuid.UUID
	// Source is PURCHASE, BONUS, TRIAL or ADMIN.
	Source             string
	Granted, Remaining money.Credits
	ExpiresAt          time.Time
}

// Credits is what a business may spend now.
type Credits struct {
	// Total is the sum of the lots: what has expired is not in it, even before its expiry is posted.
	Total money.Credits
	// Lots that have something left and have not expired, in the order in which they are spent.
	Lots []Lot
	// Low is set when Total is at most LowBalance.
	Low bool
}

// owner is the tenant that tx works for. Row security would hide the others anyway; naming it lets the indexes do so.
func owner(tx *gorm.DB) (uuid.UUID, error) {
	if err := postgres.RequireTx(tx); err != nil {
		return uuid.Nil, err
	}
	id, ok := tenant.From(tx.Statement.Context)
	if !ok {
		return uuid.Nil, postgres.ErrNoTenant
	}
	return id, nil
}

// Balance returns the credits that the transaction's tenant may spend now, by the database's clock.
func Balance(tx *gorm.DB) (*Credits, error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("read credit balance: %w", err)
	}
	c := &Credits{Lots: []Lot{}}
	err = query(tx, "read credit balance", `
		select id, source, granted, remaining, expires_at from billing.credit_lot
		 where tenant_id = $1 and remaining > 0 and expires_at > now() order by expires_at, id`,
		func(rows pgx.Rows) error {
			var l Lot
			if err := rows.Scan(&l.ID, &l.Source, &l.Granted, &l.Remaining, &l.ExpiresAt); err != nil {
				return err
			}
			var err error
			c.Total, err = c.Total.Add(l.Remaining)
			c.Lots = append(c.Lots, l)
			return err
		}, owner)
	if err != nil {
		return nil, err
	}
	c.Low = c.Total <= LowBalance
	return c, nil
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
	// Kind is the transfer's: purchase, trial, usage, expiry or refund. Source is the lot's: PURCHASE, BONUS, TRIAL or ADMIN.
	Kind, Source string
	// Reference names the cause, for a purchase its reference.
	Reference string
	Lot       uuid.UUID
	Delta     money.Credits
	At        time.Time
}

// Ledger returns the next lines of the tenant's credits after the cursor, newest first, and the cursor of the page after them; next is nil on the last page.
// limit is clamped to 1 to MaxPage.
func Ledger(tx *gorm.DB, after LedgerCursor, limit int) (lines []LedgerLine, next *LedgerCursor, err error) {
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
		 order by e.transfer_id desc, e.line desc limit $4`,
		func(rows pgx.Rows) error {
			var l LedgerLine
			if err := rows.Scan(&l.Transfer, &l.Line, &l.Kind, &l.Source, &l.Reference, &l.Lot, &l.Delta, &l.At); err != nil {
				return err
			}
			lines = append(lines, l)
			return nil
		}, owner, after.Transfer, after.Line, limit+1)
	if err != nil {
		return nil, nil, err
	}
	if len(lines) > limit {
		lines = lines[:limit]
		next = &LedgerCursor{Transfer: lines[limit-1].Transfer, Line: lines[limit-1].Line}
	}
	return lines, next, nil
}

const selectPurchase = `
	select id, tenant_id, user_id, package, base_minor, tax_lines, tax_minor, amount_expected, currency, credits, bonus, reference, provider, method, status,
	       coalesce(authorization_url, ''), coalesce(access_code, ''), coalesce(provider_txn_id, ''), coalesce(amount_received, 0), coalesce(currency_received, ''),
	       coalesce(review_reason, ''), completed_at, created_at
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
		&p.ReviewReason, &p.CompletedAt, &p.CreatedAt); err != nil {
		return nil, err
	}
	c := money.Currency(currency)
	p.Base.Currency, p.Tax.Currency, p.Total.Currency = c, c, c
	if gotCur != "" {
		p.Received = money.FromMinor(got, money.Currency(gotCur))
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
