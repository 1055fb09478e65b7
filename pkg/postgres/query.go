package postgres

import (
	"database/sql"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/tenant"
)

// Exec runs one statement in tx with pgx's own parameters ($1, $2, …; slices become arrays) and returns the number of rows it changed.
// gorm would expand a slice into a list of parameters, which set-based statements cannot use.
func Exec(tx *gorm.DB, query string, args ...any) (int64, error) {
	c, ok := tx.Statement.ConnPool.(*conn)
	if !ok {
		return 0, ErrNoTransaction
	}
	return c.exec(query, args...)
}

// QueryRow runs a query of one row in tx with pgx's own parameters. Scan of the result reports sql.ErrNoRows when there is none.
func QueryRow(tx *gorm.DB, query string, args ...any) *sql.Row {
	c, ok := tx.Statement.ConnPool.(*conn)
	if !ok {
		panic("postgres.QueryRow outside a transaction")
	}
	return c.QueryRowContext(c.ctx, query, args...)
}

// Query runs a query in tx with pgx's own parameters, and calls scan for its rows. pgx's rows decode arrays and composite values that database/sql cannot.
func Query(tx *gorm.DB, scan func(pgx.Rows) error, query string, args ...any) error {
	c, ok := tx.Statement.ConnPool.(*conn)
	if !ok {
		return ErrNoTransaction
	}
	return c.query(scan, query, args...)
}

// Do is Exec with errors that begin with what, the deed in words.
func Do(tx *gorm.DB, what, statement string, args ...any) (int64, error) {
	if err := RequireTx(tx); err != nil {
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	n, err := Exec(tx, statement, args...)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	return n, nil
}

// Each runs a query in tx as Query does, and calls scan for each of its rows. Errors begin with what, the deed in words.
func Each(tx *gorm.DB, what, query string, scan func(pgx.Rows) error, args ...any) error {
	if err := RequireTx(tx); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	err := Query(tx, func(rows pgx.Rows) error {
		for rows.Next() {
			if err := scan(rows); err != nil {
				return err
			}
		}
		return rows.Err()
	}, query, args...)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// Owner is the tenant that tx works for. Row security would hide the others anyway; naming it lets the indexes do so.
func Owner(tx *gorm.DB) (uuid.UUID, error) {
	if err := RequireTx(tx); err != nil {
		return uuid.Nil, err
	}
	id, ok := tenant.From(tx.Statement.Context)
	if !ok {
		return uuid.Nil, ErrNoTenant
	}
	return id, nil
}
