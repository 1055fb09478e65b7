package sales

import (
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"
)

// CustomerNames returns what customers of the business that tx is bound to are called. Ids that are none of its customers are left out.
func CustomerNames(tx *gorm.DB, ids []uuid.UUID) (map[uuid.UUID]string, error) {
	names := make(map[uuid.UUID]string, len(ids))
	if len(ids) == 0 {
		return names, nil
	}
	err := query(tx, "read names of customers", `select id, name from sales.customer where tenant_id = `+boundTenant+` and id = any ($1::uuid[])`, func(rows pgx.Rows) error {
		var id uuid.UUID
		var name string
		err := rows.Scan(&id, &name)
		names[id] = name
		return err
	}, ids)
	return names, err
}
