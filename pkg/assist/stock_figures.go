package assist

import (
	"strconv"

	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"
)

// stockValue is what the stock had cost.
var stockValue = Figure{
	Name:        "stock_value",
	About:       "What the stock or inventory is worth now, at what it had cost: products, units and value, by place.",
	Permissions: []string{viewFinancialData, viewInventory},
	parameters:  func(s *Shop) object { return object{"storefront": s.storefront()} },
	read:        readStockValue,
}

func readStockValue(tx *gorm.DB, s *Shop, c choice) (Table, error) {
	ids, where, err := s.stockAt(c.storefront)
	if err != nil {
		return Table{}, err
	}
	t := Table{
		Figure: "stock_value", Title: "Value of stock now at cost, " + where + ", " + string(s.currency), Rows: [][]string{},
		Columns: []Column{{"Place", Text}, {"Products", Count}, {"Units", Count}, {"Value", Money}},
	}
	var all [2]int64
	err = query(tx, "value stock", `
		select h.place, count(*) filter (where h.on_hand > 0), coalesce(sum(h.on_hand), 0)::bigint, coalesce(sum(h.value_minor), 0)::bigint
		  from inventory.v_held h where h.tenant_id = $1 and ($2::uuid[] is null or h.location_id = any ($2)) group by h.location_id, h.place order by 4 desc, h.location_id`,
		func(rows pgx.Rows) error {
			var name string
			var products, units, value int64
			err := rows.Scan(&name, &products, &units, &value)
			all[0], all[1] = all[0]+units, all[1]+value
			t.Rows = append(t.Rows, []string{name, strconv.FormatInt(products, 10), strconv.FormatInt(units, 10), s.amount(value)})
			return err
		}, s.tenant, ids)
	if len(t.Rows) > maxRows {
		t.Rows, t.More = t.Rows[:maxRows], true
	}
	t.Rows = append(t.Rows, []string{total, "", strconv.FormatInt(all[0], 10), s.amount(all[1])})
	return t, err
}

// lowStock is what runs out.
var lowStock = Figure{
	Name:        "low_stock",
	About:       "Which products are low or out of stock now and should be ordered again: what is left of each at its place, and its reorder level. Those that are out come first.",
	Permissions: []string{viewInventory},
	parameters:  func(s *Shop) object { return object{"storefront": s.storefront(), "limit": limit()} },
	read:        readLowStock,
}

func readLowStock(tx *gorm.DB, s *Shop, c choice) (Table, error) {
	ids, where, err := s.stockAt(c.storefront)
	if err != nil {
		return Table{}, err
	}
	t := Table{
		Figure: "low_stock", Title: "Low and out of stock now, " + where, Rows: [][]string{},
		Columns: []Column{{"Product", Text}, {"Place", Text}, {"Left", Count}, {"Reorder level", Count}},
	}
	err = query(tx, "find low stock", `
		select h.product, h.place, h.on_hand, coalesce(h.reorder_level, $3::bigint) as level from inventory.v_held h
		 where h.tenant_id = $1 and ($2::uuid[] is null or h.location_id = any ($2)) and (h.on_hand = 0 or h.on_hand <= coalesce(h.reorder_level, $3::bigint))
		 order by h.on_hand > 0, h.on_hand::numeric / greatest(1, coalesce(h.reorder_level, $3::bigint)), lower(h.product), h.product_id, h.location_id limit $4`,
		func(rows pgx.Rows) error {
			var product, place string
			var left, level int64
			err := rows.Scan(&product, &place, &left, &level)
			t.Rows = append(t.Rows, []string{product, place, strconv.FormatInt(left, 10), strconv.FormatInt(level, 10)})
			return err
		}, s.tenant, ids, s.reorderLevel, c.limit+1)
	if len(t.Rows) > c.limit {
		t.Rows, t.More = t.Rows[:c.limit], true
	}
	return t, err
}
