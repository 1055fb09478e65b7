package postgres

import (
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"
)

// CopyFrom brings rows into a table with COPY, in tx, and returns how many. PostgreSQL refuses COPY into a table whose row security binds the role, so tables of tenants
// are filled through a temporary table, which only makola_owner may make.
func CopyFrom(tx *gorm.DB, table string, columns []string, rows pgx.CopyFromSource) (copied int64, err error) {
	c, ok := tx.Statement.ConnPool.(*conn)
	if !ok {
		return 0, ErrNoTransaction
	}
	if err := c.begin(); err != nil {
		return 0, err
	}
	err = c.raw(func(pc *pgx.Conn) error {
		copied, err = pc.CopyFrom(c.ctx, pgx.Identifier{table}, columns, rows)
		return err
	})
	return copied, err
}
