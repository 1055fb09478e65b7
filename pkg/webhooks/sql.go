package webhooks

import (
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/postgres"
	"makola/pkg/tenant"
)

// owner is the business that tx is bound to.
func owner(tx *gorm.DB) (uuid.UUID, error) {
	if err := postgres.RequireTx(tx); err != nil {
		return uuid.Nil, err
	}
	id, ok := tenant.From(tx.Statement.Context)
	if !ok {
		return uuid.Nil, postgres.ErrNoTenant
	}
	return id, nil
}

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
