package webhooks

import (
	"fmt"

	"github.com/google/uuid"

	"makola/pkg/postgres"
)

// The short names of this package for what all contexts do in a transaction.
var owner, exec, query = postgres.Owner, postgres.Do, postgres.Each

// newID makes the id of a row.
func newID(what string) (uuid.UUID, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return uuid.Nil, fmt.Errorf("make %s id: %w", what, err)
	}
	return id, nil
}
