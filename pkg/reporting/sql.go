package reporting

import (
	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/postgres"
	"makola/pkg/tenant"
)

// The short names of this package for what all contexts do in a transaction.
var owner, exec, query = postgres.Owner, postgres.Do, postgres.Each

// optionalID turns the zero id into NULL.
func optionalID(id uuid.UUID) *uuid.UUID {
	if id == uuid.Nil {
		return nil
	}
	return &id
}

// optionalWord turns no text into NULL.
func optionalWord(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// bound is owner for a transaction that has been asked before.
func bound(tx *gorm.DB) uuid.UUID {
	id, _ := tenant.From(tx.Statement.Context)
	return id
}
