package sales

import (
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/money"
)

// Status is where a sale stands; the arrows are drawn in the package's description.
type Status string

// The states.
const (
	Draft     Status = "DRAFT"
	Pending   Status = "PENDING"
	Partial   Status = "PARTIAL"
	Completed Status = "COMPLETED"
	Refunded  Status = "REFUNDED"
	Cancelled Status = "CANCELLED"
)

// live reports whether the sale took place and can still be taken back.
func (s Status) live() bool { return s == Pending || s == Partial || s == Completed }

// Sale is a cart, or what became of one. Amounts are minor units of Currency.
type Sale struct {
	ID, Storefront, User, Customer uuid.UUID
	StorefrontName, StorefrontCode string
	StorefrontOpen                 bool
	CustomerName                   string
	WalkIn                         bool
	Receipt                        *string
	Type                           Type
	Status                         Status
	Currency                       money.Currency
	Subtotal, Discount, Tax, Total int64
	Paid, Returned, CashRefunded   int64
	Due, Change                    int64
	PaymentType                    *string
	OnCredit                       bool
	OverrideBy                     *uuid.UUID
	OverrideReason, Notes          string
	ExchangeOf                     *uuid.UUID
	CreatedAt                      time.Time
	CompletedAt, EndedAt           *time.Time
	// ReservedUntil is until when a cart's goods are set aside; nil when some of them are not.
	ReservedUntil *time.Time
	Items         []Item
	Payments      []Payment
	Refunds       []Refund
	Receivable    *Receivable
	// Heard is set by what completes a sale when the business has an endpoint that is told of sales, so that nobody has to look.
	Heard bool

	terms terms
}

// Amount is minor units in the sale's currency.
func (s *Sale) Amount(minor int64) money.Amount { return money.FromMinor(minor, s.Currency) }

// Item is one line of a sale.
type Item struct {
	ID, Product  uuid.UUID
	Line         int
	Quantity     int64
	UnitPrice    int64
	Discount     int64
	SaleDiscount int64
	TaxBP        int64
	Tax          int64
	// Total is quantity x price - discount, before the sale's discount and tax.
	Total int64
	// Cost is what the line cost, landed; nil for a cart.
	Cost      *int64
	Returned  int64
	Name, SKU string
}

// Worth is what the line is worth when all of it comes back.
func (i Item) Worth() int64 { return i.Total - i.SaleDiscount + i.Tax }

// Payment is something that was paid.
type Payment struct {
	ID        uuid.UUID
	Sale      *uuid.UUID
	Customer  uuid.UUID
	Minor     int64
	Currency  money.Currency
	Method    string
	Reference string
	User      uuid.UUID
	At        time.Time
}

// Refund is goods that came back.
type Refund struct {
	ID    uuid.UUID
	Type  string
	Minor int64
	// Cash is what lowered no debt: Exchanged of it paid for the exchange sale, the rest was given back by Method.
	Cash, Exchanged int64
	Method          *string
	Restock         bool
	Reason          string
	ExchangeSale    *uuid.UUID
	User            uuid.UUID
	At              time.Time
	Items           []RefundItem
}

// RefundItem is how much of one line came back, and what for.
type RefundItem struct {
	Item     uuid.UUID
	Quantity int64
	Minor    int64
}

// saleSQL reads sales, each with what its till shows of customer, place and settings.
var saleSQL = saleOf("sales.sale")

// saleOf reads them from a table of sales or a part of it.
func saleOf(table string) string {
	return `
	select s.id, s.storefront_id, s.user_id, s.customer_id, l.name, l.code, l.is_active, c.name, c.is_walk_in, s.receipt_number, s.type, s.status, s.currency,
	       s.subtotal_minor, s.discount_minor, s.tax_minor, s.total_minor, s.paid_minor, s.returned_minor, s.cash_refunded_minor, s.due_minor, s.change_minor,
	       s.payment_type, s.is_credit_sale, s.override_by, s.override_reason, s.notes, s.exchange_of, s.created_at, s.completed_at, s.ended_at, v.timezone, v.sales_tax_bp
	  from ` + table + ` s
	  join sales.customer c on c.tenant_id = s.tenant_id and c.id = s.customer_id
	  join inventory.location l on l.tenant_id = s.tenant_id and l.id = s.storefront_id
	  join accounts.v_settings v on v.tenant_id = s.tenant_id `
}

func scanSale(rows pgx.Rows) (*Sale, error) {
	s := &Sale{Items: []Item{}, Payments: []Payment{}, Refunds: []Refund{}}
	var zone string
	err := rows.Scan(&s.ID, &s.Storefront, &s.User, &s.Customer, &s.StorefrontName, &s.StorefrontCode, &s.StorefrontOpen, &s.CustomerName, &s.WalkIn, &s.Receipt, &s.Type, &s.Status, &s.Currency,
		&s.Subtotal, &s.Discount, &s.Tax, &s.Total, &s.Paid, &s.Returned, &s.CashRefunded, &s.Due, &s.Change,
		&s.PaymentType, &s.OnCredit, &s.OverrideBy, &s.OverrideReason, &s.Notes, &s.ExchangeOf, &s.CreatedAt, &s.CompletedAt, &s.EndedAt, &zone, &s.terms.taxBP)
	if err != nil {
		return nil, err
	}
	s.terms.currency = s.Currency
	s.terms.zone, err = scanZone(zone)
	return s, err
}

// read returns a sale with its lines. Errors: ErrNotFound, also for a sale of a storefront that is out of scope.
func read(tx *gorm.DB, id uuid.UUID, scope Scope, lock string) (s *Sale, err error) {
	err = query(tx, "read sale", saleSQL+`where s.id = $1`+lock, func(rows pgx.Rows) (err error) {
		s, err = scanSale(rows)
		return err
	}, id)
	switch {
	case err != nil:
		return nil, err
	case s == nil || !scope.Sees(s.Storefront):
		return nil, ErrNotFound
	}
	err = query(tx, "read lines of sale", `
		select id, product_id, line, quantity, unit_price_minor, discount_minor, sale_discount_minor, tax_rate_bp, tax_minor, total_minor, cost_minor, returned, product_name, product_sku
		  from sales.sale_item where sale_id = $1 order by line`, func(rows pgx.Rows) error {
		var i Item
		err := rows.Scan(&i.ID, &i.Product, &i.Line, &i.Quantity, &i.UnitPrice, &i.Discount, &i.SaleDiscount, &i.TaxBP, &i.Tax, &i.Total, &i.Cost, &i.Returned, &i.Name, &i.SKU)
		s.Items = append(s.Items, i)
		return err
	}, id)
	return s, err
}

// lockSale returns a sale that nobody else changes until tx ends.
func lockSale(tx *gorm.DB, id uuid.UUID, scope Scope) (*Sale, error) {
	return read(tx, id, scope, ` for update of s`)
}

// SaleByID returns a sale with all that belongs to it. Errors: ErrNotFound, also for a sale of a storefront that is out of scope.
func SaleByID(tx *gorm.DB, id uuid.UUID, scope Scope) (*Sale, error) {
	s, err := read(tx, id, scope, "")
	if err != nil {
		return nil, err
	}
	if s.Status == Draft {
		return s, s.readReservations(tx)
	}
	return s, s.readMoney(tx)
}

// readMoney adds payments, refunds and the receivable.
func (s *Sale) readMoney(tx *gorm.DB) error {
	s.Payments, s.Refunds, s.Receivable = []Payment{}, []Refund{}, nil
	err := query(tx, "read payments of sale", `
		select id, sale_id, customer_id, amount_minor, currency, method, reference, processed_by, at from sales.payment where sale_id = $1 and status = 'SUCCESSFUL' order by id`,
		func(rows pgx.Rows) error {
			p, err := scanPayment(rows)
			s.Payments = append(s.Payments, p)
			return err
		}, s.ID)
	if err != nil {
		return err
	}
	err = query(tx, "read refunds of sale", `
		select r.id, r.type, r.amount_minor, r.cash_minor, r.exchanged_minor, r.method, r.restock, r.reason, r.exchange_sale_id, r.created_by, r.at, i.sale_item_id, i.quantity, i.amount_minor
		  from sales.refund r join sales.refund_item i on i.tenant_id = r.tenant_id and i.refund_id = r.id join sales.sale_item l on l.tenant_id = i.tenant_id and l.id = i.sale_item_id
		 where r.sale_id = $1 order by r.id, l.line`, func(rows pgx.Rows) error {
		var r Refund
		var i RefundItem
		err := rows.Scan(&r.ID, &r.Type, &r.Minor, &r.Cash, &r.Exchanged, &r.Method, &r.Restock, &r.Reason, &r.ExchangeSale, &r.User, &r.At, &i.Item, &i.Quantity, &i.Minor)
		if n := len(s.Refunds); n == 0 || s.Refunds[n-1].ID != r.ID {
			s.Refunds = append(s.Refunds, r)
		}
		last := &s.Refunds[len(s.Refunds)-1]
		last.Items = append(last.Items, i)
		return err
	}, s.ID)
	if err != nil {
		return err
	}
	return query(tx, "read receivable of sale", receivableSQL+`where r.sale_id = $1`, func(rows pgx.Rows) (err error) {
		s.Receivable, err = scanReceivable(rows)
		return err
	}, s.ID)
}

func scanPayment(rows pgx.Rows) (p Payment, err error) {
	err = rows.Scan(&p.ID, &p.Sale, &p.Customer, &p.Minor, &p.Currency, &p.Method, &p.Reference, &p.User, &p.At)
	return p, err
}

// readReservations finds out until when the goods of a cart are set aside.
func (s *Sale) readReservations(tx *gorm.DB) error {
	s.ReservedUntil = nil
	_, want := products(s.Items)
	held, first := 0, time.Time{}
	err := query(tx, "read reservations of sale", `select product_id, quantity, expires_at from sales.reservation where sale_id = $1 and status = 'ACTIVE' and expires_at > clock_timestamp()`,
		func(rows pgx.Rows) error {
			var product uuid.UUID
			var quantity int64
			var until time.Time
			if err := rows.Scan(&product, &quantity, &until); err != nil {
				return err
			}
			if quantity == want[product] {
				held++
			}
			if first.IsZero() || until.Before(first) {
				first = until
			}
			return nil
		}, s.ID)
	if err == nil && held == len(want) && held > 0 {
		s.ReservedUntil = &first
	}
	return err
}

// item returns the line with the id, or nil.
func (s *Sale) item(id uuid.UUID) *Item {
	i := slices.IndexFunc(s.Items, func(i Item) bool { return i.ID == id })
	if i < 0 {
		return nil
	}
	return &s.Items[i]
}
