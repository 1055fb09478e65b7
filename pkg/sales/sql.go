package sales

import (
	"fmt"

	"github.com/google/uuid"

	"makola/pkg/postgres"
)

// The short names of this package for what all contexts do in a transaction.
var exec, query = postgres.Do, postgres.Each

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
