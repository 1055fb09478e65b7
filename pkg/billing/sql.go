package billing

import (
	"database/sql"
	"fmt"

	"gorm.io/gorm"

	"makola/pkg/postgres"
)

// exec runs one statement in tx and returns the number of rows it changed. Statements with array parameters go past gorm, which would
// spread a slice over many placeholders; the driver sends it as one array. Placeholders are PostgreSQL's own, $1 and up.
func exec(tx *gorm.DB, what, statement string, args ...any) (int64, error) {
	if err := postgres.RequireTx(tx); err != nil {
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	res, err := tx.Statement.ConnPool.ExecContext(tx.Statement.Context, statement, args...)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	n, err := res.RowsAffected()
	if err != nil {
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	return n, nil
}

// query runs one query in tx, past gorm as exec does, and calls scan for each row.
func query(tx *gorm.DB, what, statement string, scan func(*sql.Rows) error, args ...any) error {
	if err := postgres.RequireTx(tx); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	rows, err := tx.Statement.ConnPool.QueryContext(tx.Statement.Context, statement, args...)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return fmt.Errorf("%s: read row: %w", what, err)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
