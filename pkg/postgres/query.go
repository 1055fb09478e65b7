package postgres

import (
	"database/sql"

	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"
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
