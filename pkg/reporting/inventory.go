package reporting

import (
	"cmp"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"makola/pkg/document"
)

// heldStock is what each place holds of each product: its threshold ($2 is the business's own), its value at landed cost, and the expiry that is nearest.
const heldStock = `
	with item as (
	  select location_id, product_id, sum(on_hand * unit_landed_minor)::bigint as value, min(expiry_date) as expiry
	    from inventory.stock_item where tenant_id = $1 and on_hand > 0 group by 1, 2),
	held as (
	  select p.id, p.name, p.sku, p.barcode, p.unit, l.location_id, o.name as place, l.on_hand, coalesce(r.quantity, 0) as reserved, coalesce(l.reorder_level, p.reorder_level, $2::bigint) as level,
	         l.retail_price_minor as price, coalesce(i.value, 0) as value, i.expiry, l.updated_at
	    from inventory.stock_level l
	    join inventory.product p on p.tenant_id = l.tenant_id and p.id = l.product_id
	    join inventory.location o on o.tenant_id = l.tenant_id and o.id = l.location_id
	    left join item i on i.location_id = l.location_id and i.product_id = l.product_id
	    left join sales.v_reserved r on r.tenant_id = l.tenant_id and r.storefront_id = l.location_id and r.product_id = l.product_id
	   where l.tenant_id = $1 and (p.is_active or l.on_hand > 0))`

// inventory describes the report on stock. Products that a place is out of are counted always, and listed if the order says so.
func (s *source) inventory() (*document.Report, Made, error) {
	var products, rows, quantity, value, out, low, in int64
	err := query(s.tx, "sum stock", heldStock+`
		select count(distinct id) filter (where on_hand > 0 or $3), count(*) filter (where on_hand > 0 or $3), coalesce(sum(on_hand), 0)::bigint, coalesce(sum(value), 0)::bigint,
		       count(*) filter (where on_hand = 0), count(*) filter (where on_hand > 0 and on_hand <= level), count(*) filter (where on_hand > level and on_hand > 0)
		  from held`,
		func(r pgx.Rows) error { return r.Scan(&products, &rows, &quantity, &value, &out, &low, &in) }, s.held()...)
	if err != nil {
		return nil, Made{}, err
	}
	s.total = rows
	r := s.report()
	if s.order.IncludeZeroStock {
		r.Filters = []string{"With products that are out of stock"}
	}
	r.Summary = []document.Figure{
		count("Unique products", products), count("Total quantity", quantity), s.figure("Value at landed cost", value),
		count("Out of stock", out), count("Low stock", low), count("In stock", in),
	}
	places, pictures, err := s.byLocation()
	if err != nil {
		return nil, Made{}, err
	}
	r.Pictures, r.Tables = pictures, []document.Table{places, s.stock()}
	return r, Made{Records: rows}, nil
}

func (s *source) held() []any {
	return []any{s.shop.id, s.shop.reorderLevel, s.order.IncludeZeroStock}
}

// holding is what one place holds.
type holding struct {
	place                     string
	products, quantity, value int64
}

// mostHoldings is how many places the picture shows, the most valuable ones.
const mostHoldings = 10

// byLocation is what each place holds, as a table and, for a page, as a picture of those worth most.
func (s *source) byLocation() (document.Table, []document.Picture, error) {
	var list []holding
	err := query(s.tx, "sum stock by location", heldStock+`
		select place, count(*), sum(on_hand)::bigint, sum(value)::bigint from held where on_hand > 0 or $3 group by location_id, place order by lower(place), location_id`, func(rows pgx.Rows) error {
		var h holding
		err := rows.Scan(&h.place, &h.products, &h.quantity, &h.value)
		list = append(list, h)
		return err
	}, s.held()...)
	columns := []document.Column{
		{Title: "Location", Width: 30}, {Title: "Products", Kind: document.KindInteger, Total: true}, {Title: "Quantity", Kind: document.KindInteger, Total: true, Width: 12},
		{Title: "Value", Kind: document.KindMoney, Total: true, Width: 18},
	}
	t := document.Table{Name: "By Location", Columns: columns, Rows: each(list, func(h holding, row []document.Cell) {
		row[0], row[1], row[2], row[3] = document.Text(h.place), document.Integer(h.products), document.Integer(h.quantity), s.money(h.value)
	}, len(columns))}
	if err != nil || s.order.Format != PDF || len(list) == 0 {
		return t, nil, err
	}
	worth := slices.Clone(list)
	slices.SortStableFunc(worth, func(a, b holding) int { return cmp.Compare(b.value, a.value) })
	bars := make([]document.Bar, 0, mostHoldings)
	for _, h := range worth[:min(len(worth), mostHoldings)] {
		bars = append(bars, document.Bar{Label: h.place, Value: h.value})
	}
	picture, err := document.Chart("Value by location, in "+string(s.shop.currency), bars, true, s.shop.currency)
	return t, []document.Picture{picture}, err
}

var stockColumns = []document.Column{
	{Title: "Product ID", Width: 36}, {Title: "Product Name", Width: 30}, {Title: "SKU", Width: 16}, {Title: "Barcode", Width: 16}, {Title: "Location"},
	{Title: "Quantity in Stock", Kind: document.KindInteger, Total: true}, {Title: "Reserved", Kind: document.KindInteger, Total: true}, {Title: "Available", Kind: document.KindInteger, Total: true},
	{Title: "Reorder Level", Kind: document.KindInteger}, {Title: "Unit", Width: 8}, {Title: "Stock Status", Width: 14, Codes: true}, {Title: "Unit Cost", Kind: document.KindMoney},
	{Title: "Selling Price", Kind: document.KindMoney}, {Title: "Total Value", Kind: document.KindMoney, Total: true}, {Title: "Profit per Unit", Kind: document.KindMoney},
	{Title: "Margin %", Kind: document.KindPercent}, {Title: "Nearest Expiry", Kind: document.KindDate}, {Title: "Last Updated", Kind: document.KindInstant},
}

// shortStock are the columns of stockColumns that fit a page.
var shortStock = []int{1, 2, 4, 5, 7, 10, 11, 12, 13}

func (s *source) stock() document.Table {
	columns, full := stockColumns, make([]document.Cell, len(stockColumns))
	if s.order.Format == PDF {
		columns = make([]document.Column, len(shortStock))
		for i, from := range shortStock {
			columns[i] = stockColumns[from]
		}
	}
	return document.Table{Name: "Stock", Columns: columns, Rows: s.rows("stock", len(columns), func(rows pgx.Rows, row []document.Cell) error {
		if err := s.stockRow(rows, full); err != nil {
			return err
		}
		if len(row) == len(full) {
			copy(row, full)
			return nil
		}
		for i, from := range shortStock {
			row[i] = full[from]
		}
		return nil
	}, heldStock+`
		select id::text, name, sku, barcode, place, on_hand, reserved, level, unit, price, value, expiry, updated_at from held where on_hand > 0 or $3 order by lower(name), id, lower(place), location_id`, s.held()...)}
}

func (s *source) stockRow(rows pgx.Rows, row []document.Cell) error {
	var id, name, sku, place, unit string
	var barcode *string
	var onHand, reserved, level, price, value int64
	var expiry *time.Time
	var updated time.Time
	if err := rows.Scan(&id, &name, &sku, &barcode, &place, &onHand, &reserved, &level, &unit, &price, &value, &expiry, &updated); err != nil {
		return err
	}
	clear(row)
	row[0], row[1], row[2], row[3], row[4] = document.Text(id), document.Text(name), document.Text(sku), optionalText(barcode), document.Text(place)
	row[5], row[6], row[7], row[8] = document.Integer(onHand), document.Integer(reserved), document.Integer(onHand-reserved), document.Integer(level)
	row[9], row[10], row[12], row[13], row[17] = document.Text(unit), document.Text(stockStatus(onHand, level)), s.money(price), s.money(value), document.Instant(updated)
	if onHand > 0 { // what there is none of costs nothing that anybody knows
		cost := rounded(value, onHand, 1)
		row[11], row[14], row[15] = s.money(cost), s.money(price-cost), percentOf(price-cost, price)
	}
	if expiry != nil {
		row[16] = document.Date(*expiry)
	}
	return nil
}

func stockStatus(onHand, level int64) string {
	switch {
	case onHand == 0:
		return "OUT_OF_STOCK"
	case onHand <= level:
		return "LOW_STOCK"
	}
	return "IN_STOCK"
}
