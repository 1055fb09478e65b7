package inventory

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/tabular"
)

// ProductImport brings products from a file. It is used by one goroutine, for one file.
type ProductImport struct {
	// Update changes the products whose SKU is there already, and leaves as it is what the file leaves empty. Without it such a row is a fault.
	Update bool

	lines map[string]int // from an SKU in lower case to the line that has it
}

// ProductRow is one product of a file.
type ProductRow struct {
	name, sku, barcode, unit, category string
	reorderLevel                       *int64
	at                                 tabular.Place // of the SKU
}

// Fields are the columns.
func (p *ProductImport) Fields() []tabular.Field {
	return []tabular.Field{
		{Name: "name", Required: true, Aliases: []string{"product", "product name"}},
		{Name: "sku", Required: true, Aliases: []string{"code", "product code", "item code"}},
		{Name: "barcode", Aliases: []string{"ean", "upc"}},
		{Name: "category"},
		{Name: "unit", Aliases: []string{"unit of measure", "uom"}},
		{Name: "reorder_level", Aliases: []string{"minimum stock"}},
	}
}

// Read makes a row of the file a product.
func (p *ProductImport) Read(row tabular.Row) (r ProductRow, faults []*tabular.Error) {
	r = ProductRow{
		name: importText(row, "name", true, 200, &faults), sku: importText(row, "sku", true, 64, &faults), barcode: importText(row, "barcode", false, 64, &faults),
		unit: importText(row, "unit", false, 20, &faults), category: importText(row, "category", false, 100, &faults), at: row.Place("sku"),
	}
	if row.Has("reorder_level") {
		n, err := row.Integer("reorder_level")
		if addFault(&faults, err); err == nil && (n < 0 || n > MaxQuantity) {
			faults = append(faults, row.Fault("reorder_level", "must be from 0 to %d", MaxQuantity))
		}
		r.reorderLevel = &n
	}
	return r, faults
}

// Check finds SKUs that are in the file twice, or taken.
func (p *ProductImport) Check(tx *gorm.DB, rows []ProductRow) (faults []*tabular.Error, err error) {
	if p.lines == nil {
		p.lines = map[string]int{}
	}
	// The database says what is the same in another case; its index does.
	err = lookUp(tx, productsBySKU, column(rows, func(r ProductRow) *string { return &r.sku }), func(n int, key string, taken uuid.UUID) {
		r := &rows[n]
		first, twice := p.lines[key]
		switch {
		case twice:
			faults = append(faults, r.at.Fault("line %d has this SKU too", first))
			return
		case taken != uuid.Nil && !p.Update:
			faults = append(faults, r.at.Fault("another product has this SKU"))
		}
		p.lines[key] = r.at.Line
	})
	return faults, err
}

// Begin does nothing: what the rows need is made with them.
func (p *ProductImport) Begin(*gorm.DB) error { return nil }

// End does nothing.
func (p *ProductImport) End(*gorm.DB) error { return nil }

// Write makes and changes products, and the categories that they name and nobody has made yet.
func (p *ProductImport) Write(tx *gorm.DB, rows []ProductRow) (created, updated int64, err error) {
	owner, err := owner(tx)
	if err != nil {
		return 0, 0, err
	}
	categories, err := makeNamed(tx, owner, categoriesByName, column(rows, func(r ProductRow) string { return r.category }))
	if err != nil {
		return 0, 0, err
	}
	there := make([]uuid.UUID, len(rows))
	if p.Update {
		err := lookUp(tx, productsBySKU, column(rows, func(r ProductRow) *string { return &r.sku }), func(n int, _ string, id uuid.UUID) { there[n] = id })
		if err != nil {
			return 0, 0, err
		}
	}
	ids := make([]uuid.UUID, len(rows))
	for i := range ids {
		if ids[i] = there[i]; ids[i] != uuid.Nil {
			continue
		}
		if ids[i], err = uuid.NewV7(); err != nil {
			return 0, 0, fmt.Errorf("make product id: %w", err)
		}
	}
	const given = `unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::uuid[], $8::bigint[]) as u (id, name, sku, barcode, unit, category, level)`
	args := []any{
		owner, ids, column(rows, func(r ProductRow) string { return r.name }), column(rows, func(r ProductRow) string { return r.sku }),
		column(rows, func(r ProductRow) *string { return nullable(r.barcode) }), column(rows, func(r ProductRow) *string { return nullable(r.unit) }),
		column(rows, func(r ProductRow) *uuid.UUID { return optionalID(categories[r.category]) }), column(rows, func(r ProductRow) *int64 { return r.reorderLevel }),
	}
	if p.Update {
		updated, err = exec(tx, "change imported products", `
			update inventory.product p set name = u.name, barcode = coalesce(u.barcode, p.barcode), unit = coalesce(u.unit, p.unit), category_id = coalesce(u.category, p.category_id),
			       reorder_level = coalesce(u.level, p.reorder_level), updated_at = now()
			  from `+given+`
			 where p.tenant_id = $1 and p.id = u.id and lower(p.sku) = lower(u.sku)`, args...)
		if err != nil {
			return 0, 0, err
		}
	}
	created, err = exec(tx, "insert imported products", `
		insert into inventory.product (id, tenant_id, name, sku, barcode, unit, category_id, reorder_level)
		select u.id, $1, u.name, u.sku, u.barcode, coalesce(u.unit, 'pcs'), u.category, u.level from `+given+`
		    on conflict (tenant_id, lower(sku)) do nothing`, args...)
	if err == nil && created+updated != int64(len(rows)) {
		err = errImportChanged
	}
	return created, updated, err
}

// makes are the statements that make what has only a name, where there is none of it yet.
var makes = map[named]string{
	categoriesByName: `insert into inventory.category (id, tenant_id, name) select u.id, $1, u.name from unnest($2::uuid[], $3::text[]) as u (id, name) on conflict do nothing`,
	suppliersByName:  `insert into inventory.supplier (id, tenant_id, name) select u.id, $1, u.name from unnest($2::uuid[], $3::text[]) as u (id, name) on conflict do nothing`,
}

// makeNamed makes the categories or suppliers of these names that the business has not, and returns the id of each name; empty names are none. Of a name in several cases one is made.
func makeNamed(tx *gorm.DB, owner uuid.UUID, of named, names []string) (map[string]uuid.UUID, error) {
	names = slices.Clone(names)
	// In one order, so that two who make the same wait for each other and in no circle.
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(strings.ToLower(a), strings.ToLower(b)), cmp.Compare(a, b))
	})
	names = slices.Compact(names)
	if len(names) > 0 && names[0] == "" {
		names = names[1:]
	}
	found := make(map[string]uuid.UUID, len(names))
	if len(names) == 0 {
		return found, nil
	}
	var missing []string
	look := func(names []string) error {
		missing = nil
		return lookUp(tx, of, column(names, func(name string) *string { return &name }), func(n int, _ string, id uuid.UUID) {
			if found[names[n]] = id; id == uuid.Nil {
				missing = append(missing, names[n])
			}
		})
	}
	if err := look(names); err != nil || len(missing) == 0 {
		return found, err
	}
	ids := make([]uuid.UUID, len(missing))
	for i := range ids {
		id, err := uuid.NewV7()
		if err != nil {
			return nil, fmt.Errorf("make id of %s: %w", of, err)
		}
		ids[i] = id
	}
	if _, err := exec(tx, "make what an import names", makes[of], owner, ids, missing); err != nil {
		return nil, err
	}
	return found, look(missing)
}
