package inventory

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/money"
	"makola/pkg/problem"
	"makola/pkg/tabular"
)

// MaxImportedStock is the most items one file of opening stock has. An item costs several times what a product does: it, its movement and its level, with their indexes.
const MaxImportedStock = 100_000

// StockImport takes in what one place holds on its first day, from a file, as one delivery. Set its exported fields before; it is used by one goroutine, for one file.
type StockImport struct {
	Rules Rules
	Place uuid.UUID
	// Reference and Description are the delivery's, User brings it.
	Reference, Description string
	User                   uuid.UUID
	Now                    time.Time

	lines  map[stockKey]int
	prices map[uuid.UUID]stockPrice // of each product, those of its last line
	batch  uuid.UUID

	written int // items
}

// stockKey is what two items of one delivery at one place may not have in common.
type stockKey struct {
	product  uuid.UUID
	supplier string // in lower case
	expiry   int64  // days since 1970; -1 for none
	cost     int64
}

// stockPrice is what a product costs at the place from now on; wholesale is -1 without a price of its own.
type stockPrice struct{ retail, wholesale int64 }

// StockRow is one item of a file.
type StockRow struct {
	sku, barcode, supplier string
	quantity               int64
	expiry                 *time.Time
	cost, retail           money.Amount
	wholesale              *money.Amount
	at, supplierAt         tabular.Place
}

// ReadRules sets Rules to what the business has chosen, and to its day. tx must be bound to the business.
func (s *StockImport) ReadRules(tx *gorm.DB) error {
	owner, err := owner(tx)
	if err != nil {
		return err
	}
	s.Rules, err = one(tx, "read rules of the business", `select currency, ($2::timestamptz at time zone timezone)::date, reorder_level from accounts.v_settings where tenant_id = $1`, ErrLocationNotFound,
		func(rows pgx.Rows) (r Rules, err error) {
			err = rows.Scan((*string)(&r.Currency), &r.Today, &r.ReorderLevel)
			return r, err
		}, owner, s.Now)
	return err
}

// ImportPlace refuses a place that takes nothing in: one that the business has not, or that is switched off.
func ImportPlace(tx *gorm.DB, place uuid.UUID) error {
	owner, err := owner(tx)
	if err != nil {
		return err
	}
	active, err := one(tx, "read place", `select is_active from inventory.location where tenant_id = $1 and id = $2`, errUnknownPlace,
		func(rows pgx.Rows) (active bool, err error) { return active, rows.Scan(&active) }, owner, place)
	if err == nil && !active {
		return problem.New(problem.Invalid, "", "", problem.FieldError{Field: "location_id", Code: "inactive", Message: "is switched off"})
	}
	return err
}

var errUnknownPlace = problem.New(problem.Invalid, "", "", problem.FieldError{Field: "location_id", Code: "unknown", Message: "is no place of this business"})

// Fields are the columns.
func (s *StockImport) Fields() []tabular.Field {
	return []tabular.Field{
		{Name: "sku", Aliases: []string{"code", "product code", "item code"}},
		{Name: "barcode", Aliases: []string{"ean", "upc"}},
		{Name: "quantity", Required: true, Aliases: []string{"qty", "on hand", "stock"}},
		{Name: "unit_cost", Required: true, Aliases: []string{"cost", "cost price"}},
		{Name: "retail_price", Required: true, Aliases: []string{"price", "selling price"}},
		{Name: "wholesale_price"},
		{Name: "expiry_date", Aliases: []string{"expiry", "expires", "best before"}},
		{Name: "supplier"},
	}
}

// Read makes a row of the file an item.
func (s *StockImport) Read(row tabular.Row) (r StockRow, faults []*tabular.Error) {
	r = StockRow{
		sku: importText(row, "sku", false, 64, &faults), barcode: importText(row, "barcode", false, 64, &faults), supplier: importText(row, "supplier", false, 100, &faults),
		at: row.Place("sku"), supplierAt: row.Place("supplier"),
	}
	if r.sku == "" && len(faults) == 0 {
		if r.at = row.Place("barcode"); r.barcode == "" {
			faults = append(faults, row.Fault("sku", "neither an SKU nor a barcode is given"))
		}
	}
	n, err := row.Integer("quantity")
	if addFault(&faults, err); err == nil && (n < 1 || n > MaxQuantity) {
		faults = append(faults, row.Fault("quantity", "must be a whole number from 1 to %d", MaxQuantity))
	}
	r.quantity = n
	amount := func(field string) (a money.Amount) {
		a, err := row.Money(field, s.Rules.Currency)
		if addFault(&faults, err); err == nil && (a.Minor < 0 || a.Minor > MaxUnitMinor) {
			faults = append(faults, row.Fault(field, "must be from 0.00 to 10000000.00"))
		}
		return a
	}
	r.cost, r.retail = amount("unit_cost"), amount("retail_price")
	if row.Has("wholesale_price") {
		a := amount("wholesale_price")
		r.wholesale = &a
	}
	if row.Has("expiry_date") {
		day, err := row.Date("expiry_date")
		if addFault(&faults, err); err == nil && day.Before(s.Rules.Today) {
			faults = append(faults, row.Fault("expiry_date", "this has expired already; leave it out, or write it off"))
		}
		r.expiry = &day
	}
	return r, faults
}

// Check finds products that do not exist or are switched off, barcodes of several products, suppliers who are switched off, and items that are in the file twice.
func (s *StockImport) Check(tx *gorm.DB, rows []StockRow) (faults []*tabular.Error, err error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, err
	}
	if s.lines == nil {
		s.lines, s.prices = map[stockKey]int{}, map[uuid.UUID]stockPrice{}
	}
	found, err := findStock(tx, owner, rows)
	if err != nil {
		return nil, err
	}
	for i, f := range found {
		r := &rows[i]
		key := stockKey{product: f.product, supplier: f.supplierKey, expiry: -1, cost: r.cost.Minor}
		if r.expiry != nil {
			key.expiry = r.expiry.Unix() / (24 * 60 * 60)
		}
		first, twice := s.lines[key]
		switch {
		case f.products == 0:
			faults = append(faults, r.at.Fault("there is no such product; import products first"))
		case f.products > 1:
			faults = append(faults, r.at.Fault("%d products have this barcode; give the SKU", f.products))
		case !f.active:
			faults = append(faults, r.at.Fault("this product is switched off"))
		case f.supplierOff:
			faults = append(faults, r.supplierAt.Fault("this supplier is switched off"))
		case twice:
			faults = append(faults, r.at.Fault("line %d is the same product, supplier, expiry and cost; add their quantities", first))
		default:
			s.lines[key] = r.at.Line
			price := stockPrice{r.retail.Minor, -1}
			if r.wholesale != nil {
				price.wholesale = r.wholesale.Minor
			} else if before, ok := s.prices[f.product]; ok {
				price.wholesale = before.wholesale
			}
			s.prices[f.product] = price
		}
	}
	return faults, nil
}

// foundStock is what the database has of a row.
type foundStock struct {
	product     uuid.UUID
	products    int // how many it may mean
	active      bool
	supplier    uuid.UUID // the zero id when there is none of that name yet
	supplierKey string    // the name as the database compares it
	supplierOff bool
}

// findStock looks up what the rows name, in the order of the rows.
func findStock(tx *gorm.DB, owner uuid.UUID, rows []StockRow) ([]foundStock, error) {
	found := make([]foundStock, len(rows))
	skus := make([]*string, len(rows))
	var lines []int
	var barcodes []string // of the rows without an SKU
	for i, r := range rows {
		if skus[i] = nullable(r.sku); skus[i] == nil {
			lines, barcodes = append(lines, i+1), append(barcodes, r.barcode)
		}
	}
	err := query(tx, "look up imported items' products", `
		select u.n, p.id, p.is_active from inventory.products_by_sku($2) as u join inventory.product p on p.tenant_id = $1 and p.id = u.id
		union all
		select u.n, p.id, p.is_active from unnest($3::bigint[], $4::text[]) as u (n, barcode) join inventory.product p on p.tenant_id = $1 and p.barcode = u.barcode`,
		func(r pgx.Rows) error {
			var n int
			var f foundStock
			if err := r.Scan(&n, &f.product, &f.active); err != nil {
				return err
			}
			f.products = found[n-1].products + 1
			found[n-1] = f
			return nil
		}, owner, skus, lines, barcodes)
	if err != nil {
		return nil, err
	}
	err = query(tx, "look up imported items' suppliers", `
		select u.n, u.key, u.id, coalesce(not s.is_active, false) from inventory.suppliers_by_name($2) as u left join inventory.supplier s on s.tenant_id = $1 and s.id = u.id`,
		func(r pgx.Rows) error {
			var n int
			var key string
			var id uuid.NullUUID
			var off bool
			if err := r.Scan(&n, &key, &id, &off); err != nil {
				return err
			}
			f := &found[n-1]
			f.supplier, f.supplierKey, f.supplierOff = id.UUID, key, off
			return nil
		}, owner, column(rows, func(r StockRow) *string { return nullable(r.supplier) }))
	return found, err
}

// chunk is how many prices one statement sets.
const chunk = 5_000

// putOff has the rows that the import writes, and the ledger's trigger writes again, checked once: at the end, as they are then.
const putOff = `set constraints inventory.stock_item_batch_fkey, inventory.stock_item_location_fkey, inventory.stock_item_product_fkey, inventory.stock_item_supplier_fkey,
	inventory.stock_level_location_fkey, inventory.stock_level_product_fkey deferred`

// Begin locks what the file brings to, in the order that everybody else locks in, sets the prices, and makes the delivery.
func (s *StockImport) Begin(tx *gorm.DB) error {
	owner, err := owner(tx)
	if err != nil {
		return err
	}
	if _, err := exec(tx, "put checks off", putOff); err != nil {
		return err
	}
	for part := range slices.Chunk(s.products(), chunk) {
		items := make([]DeliveryItem, len(part))
		for i, id := range part {
			price := s.prices[id]
			items[i] = DeliveryItem{Product: id, Location: s.Place, Retail: money.FromMinor(price.retail, s.Rules.Currency)}
			if price.wholesale >= 0 {
				a := money.FromMinor(price.wholesale, s.Rules.Currency)
				items[i].Wholesale = &a
			}
		}
		if err := setPrices(tx, owner, s.Rules.Currency, items); err != nil {
			return err
		}
	}
	if s.batch, err = uuid.NewV7(); err != nil {
		return fmt.Errorf("make delivery id: %w", err)
	}
	_, err = exec(tx, "insert delivery", `insert into inventory.stock_batch (id, tenant_id, arrival_date, reference, description, created_by) values ($1, $2, $3, $4, $5, $6)`,
		s.batch, owner, s.Rules.Today, s.Reference, s.Description, s.User)
	return err
}

// products are those that the file brings, in order.
func (s *StockImport) products() []uuid.UUID {
	all := make([]uuid.UUID, 0, len(s.prices))
	for id := range s.prices {
		all = append(all, id)
	}
	slices.SortFunc(all, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	return all
}

// Write takes items in.
func (s *StockImport) Write(tx *gorm.DB, rows []StockRow) (created, updated int64, err error) {
	owner, err := owner(tx)
	if err != nil {
		return 0, 0, err
	}
	if _, err := makeNamed(tx, owner, suppliersByName, column(rows, func(r StockRow) string { return r.supplier })); err != nil {
		return 0, 0, err
	}
	found, err := findStock(tx, owner, rows)
	if err != nil {
		return 0, 0, err
	}
	d := Delivery{Items: make([]DeliveryItem, len(rows))}
	for i, r := range rows {
		f := found[i]
		_, locked := s.prices[f.product]
		if f.products != 1 || !f.active || f.supplierOff || !locked || r.supplier != "" && f.supplier == uuid.Nil {
			return 0, 0, errImportChanged
		}
		zero := money.FromMinor(0, s.Rules.Currency)
		d.Items[i] = DeliveryItem{
			Product: f.product, Location: s.Place, Supplier: f.supplier, Expiry: r.expiry, Quantity: r.quantity, Cost: r.cost, Tax: zero, Additional: zero, Retail: r.retail, Wholesale: r.wholesale,
		}
	}
	if _, err := d.insertItems(tx, owner, s.batch, s.Rules.Currency); err != nil {
		return 0, 0, err
	}
	s.written += len(rows)
	return int64(len(rows)), 0, nil
}

// End posts what the items brought, all at once: the ledger's trigger adds up the whole business for each statement. Then it opens and ends the alerts.
func (s *StockImport) End(tx *gorm.DB) error {
	owner, err := owner(tx)
	if err != nil {
		return err
	}
	if err := postBatch(tx, owner, cause{kind: Intake, sourceType: sourceBatch, user: s.User, at: s.Now}, s.batch, s.written); err != nil {
		return err
	}
	if _, err := exec(tx, "check what the items refer to", `set constraints all immediate`); err != nil {
		return err
	}
	places := make([]Pair, 0, len(s.prices))
	for _, id := range s.products() {
		places = append(places, Pair{id, s.Place})
	}
	_, _, err = refreshAlerts(tx, owner, places)
	return err
}
