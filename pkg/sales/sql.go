package sales

import (
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/postgres"
)

// exec runs one statement in tx and returns the number of rows it changed; what names the deed in errors.
func exec(tx *gorm.DB, what, statement string, args ...any) (int64, error) {
	n, err := postgres.Exec(tx, statement, args...)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	return n, nil
}

// query runs one query in tx and calls scan for each row; what names the deed in errors.
func query(tx *gorm.DB, what, statement string, scan func(pgx.Rows) error, args ...any) error {
	err := postgres.Query(tx, func(rows pgx.Rows) error {
		for rows.Next() {
			if err := scan(rows); err != nil {
				return err
			}
		}
		return rows.Err()
	}, statement, args...)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// newID makes the id of a row.
func newID(what string) (uuid.UUID, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return uuid.Nil, fmt.Errorf("make %s id: %w", what, err)
	}
	return id, nil
}

// newIDs makes the ids of n rows, in order.
func newIDs(what string, n int) ([]uuid.UUID, error) {
	ids := make([]uuid.UUID, n)
	for i := range ids {
		id, err := newID(what)
		if err != nil {
			return nil, err
		}
		ids[i] = id
	}
	return ids, nil
}

// boundTenant is the business that a transaction is bound to, for lists. Row security asks whether the tenant is one of a set, and an index on (tenant_id, …) yields its order
// only for one that equals: without this a list of 20 reads and sorts the whole table.
const boundTenant = `(select (app.tenants())[1])`

// conditions builds the where clause of a list from constant pieces, so that each combination of filters is planned for the index that serves it.
type conditions struct {
	text string
	args []any
}

// add appends "and piece"; each ? of the piece stands for the next of args.
func (c *conditions) add(piece string, args ...any) {
	c.text += "\n   and "
	for _, r := range piece {
		if r != '?' {
			c.text += string(r)
			continue
		}
		c.args = append(c.args, args[0])
		args = args[1:]
		c.text += fmt.Sprintf("$%d", len(c.args))
	}
}
