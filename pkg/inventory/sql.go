package inventory

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/postgres"
)

// The short names of this package for what all contexts do in a transaction.
var owner, exec, query = postgres.Owner, postgres.Do, postgres.Each

// column is one member of each row, for a statement that takes arrays.
func column[R, V any](rows []R, of func(R) V) []V {
	values := make([]V, len(rows))
	for i, r := range rows {
		values[i] = of(r)
	}
	return values
}

// optionalID turns the zero id into NULL.
func optionalID(id uuid.UUID) *uuid.UUID {
	if id == uuid.Nil {
		return nil
	}
	return &id
}

// MaxPage is the most rows one page of a list holds.
const MaxPage = 100

// page cuts a list that was read with one row more than limit, and returns the id to go on with; uuid.Nil on the last page.
func page[R any](list []R, limit int, id func(R) uuid.UUID) ([]R, uuid.UUID) {
	if len(list) <= limit {
		return list, uuid.Nil
	}
	return list[:limit], id(list[limit-1])
}

func clamp(limit int) int { return min(max(limit, 1), MaxPage) }

// one runs a query of at most one row, and returns missing when there is none.
func one[R any](tx *gorm.DB, what, statement string, missing error, scan func(pgx.Rows) (R, error), args ...any) (r R, err error) {
	found := false
	err = query(tx, what, statement, func(rows pgx.Rows) (err error) {
		found = true
		r, err = scan(rows)
		return err
	}, args...)
	if err == nil && !found {
		err = fmt.Errorf("%s: %w", what, missing)
	}
	return r, err
}

// ids returns the distinct ids of a list in order, without the zero id.
func ids[R any](rows []R, of func(R) uuid.UUID) []uuid.UUID {
	list := column(rows, of)
	slices.SortFunc(list, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	list = slices.Compact(list)
	if len(list) > 0 && list[0] == uuid.Nil {
		list = list[1:]
	}
	return list
}

// contains is the LIKE pattern that finds text anywhere, in lower case, with nothing in the text meaning anything but itself.
func contains(text string) string {
	return "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(strings.ToLower(text)) + "%"
}

// named is where a business's things are found by what people call them, in whatever case.
type named string

// The functions: see the migration of the look-ups. Row security comes before an index on lower(name), which is not leakproof; these look into it as makola_search.
const (
	productsBySKU    named = "products_by_sku"
	categoriesByName named = "categories_by_name"
	suppliersByName  named = "suppliers_by_name"
)

// lookUp calls each for every text that is not nil, in order, with its place in texts, with the text as the database compares it, and with the id of what is called so; uuid.Nil for
// nothing. One look into the index for each, however much the business has.
func lookUp(tx *gorm.DB, of named, texts []*string, each func(n int, key string, id uuid.UUID)) error {
	return query(tx, "look up "+string(of), `select n, key, id from inventory.`+string(of)+`($1) order by n`, func(rows pgx.Rows) error {
		var n int
		var key string
		var id uuid.NullUUID
		if err := rows.Scan(&n, &key, &id); err != nil {
			return err
		}
		each(n-1, key, id.UUID)
		return nil
	}, texts)
}
