package tasks_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"makola/pkg/imports"
	"makola/pkg/postgres/postgrestest"
	"makola/pkg/task/tasktest"
	inventorypb "makola/proto/makola/inventory/v1"
	salespb "makola/proto/makola/sales/v1"
)

// arranged is a business with something for every task to do.
func arranged(t *testing.T, pg *postgrestest.Database) *shop {
	t.Helper()
	c, err := pgx.Connect(t.Context(), pg.URL(""))
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close(t.Context()) })
	s := openShop(t, c, "arranged")
	item := s.stock(s.product("milk", 10), s.place, 9, 5)
	s.move(item, -1, "SALE", 1)
	exec(t, c, `insert into inventory.stock_alert (id, tenant_id, product_id, location_id, type, current_quantity, threshold) select gen_random_uuid(), tenant_id, product_id, location_id, 'LOW_STOCK', 9, 10 from inventory.stock_level where on_hand = 8`)
	return s
}

func TestContract(t *testing.T) {
	t.Parallel()
	tasktest.Contract(t, tasktest.Trial{
		Role:     "makola_inventory",
		Register: register,
		Samples: map[string]func(t *testing.T, db *postgrestest.Database) tasktest.Sample{
			"inventory.check_stock_levels": func(t *testing.T, db *postgrestest.Database) tasktest.Sample {
				s := arranged(t, db)
				return tasktest.Sample{Tenant: s.id, Args: &inventorypb.CheckStockLevelsArgs{BusinessId: ptr(s.id.String())}}
			},
			"inventory.send_low_stock_alert": func(t *testing.T, db *postgrestest.Database) tasktest.Sample {
				s := arranged(t, db)
				return tasktest.Sample{Tenant: s.id, Args: &inventorypb.SendLowStockAlertArgs{BusinessId: ptr(s.id.String())}}
			},
			"inventory.check_expiring_products": func(t *testing.T, db *postgrestest.Database) tasktest.Sample {
				s := arranged(t, db)
				return tasktest.Sample{Tenant: s.id, Args: &inventorypb.CheckExpiringProductsArgs{BusinessId: ptr(s.id.String())}}
			},
			"inventory.send_stock_movement_report": func(t *testing.T, db *postgrestest.Database) tasktest.Sample {
				s := arranged(t, db)
				return tasktest.Sample{Tenant: s.id, Args: &inventorypb.SendStockMovementReportArgs{BusinessId: ptr(s.id.String())}}
			},
			"inventory.verify_stock": func(t *testing.T, db *postgrestest.Database) tasktest.Sample {
				s := arranged(t, db)
				return tasktest.Sample{Tenant: s.id, Args: &inventorypb.VerifyStockArgs{BusinessId: ptr(s.id.String())}}
			},
			"inventory.import_products": func(t *testing.T, db *postgrestest.Database) tasktest.Sample {
				s := arranged(t, db)
				return tasktest.Sample{Tenant: s.id, Args: &inventorypb.ImportProductsArgs{ImportId: upload(t, db, s, imports.Import{Kind: imports.Products}, "name,sku\nRice,R1\n").String()}}
			},
			"inventory.import_opening_stock": func(t *testing.T, db *postgrestest.Database) tasktest.Sample {
				s := arranged(t, db)
				i := imports.Import{Kind: imports.OpeningStock, Location: s.place}
				return tasktest.Sample{Tenant: s.id, Args: &inventorypb.ImportOpeningStockArgs{ImportId: upload(t, db, s, i, "sku,quantity,unit_cost,retail_price\nsku-milk,5,1,2\n").String()}}
			},
			"sales.import_customers": func(t *testing.T, db *postgrestest.Database) tasktest.Sample {
				s := arranged(t, db)
				return tasktest.Sample{Tenant: s.id, Args: &salespb.ImportCustomersArgs{ImportId: upload(t, db, s, imports.Import{Kind: imports.Customers}, "name,phone\nEsi,0244000111\n").String()}}
			},
			"sales.verify_receivables": func(t *testing.T, db *postgrestest.Database) tasktest.Sample {
				s := arranged(t, db)
				return tasktest.Sample{Tenant: s.id, Args: &salespb.VerifyReceivablesArgs{BusinessId: ptr(s.id.String())}}
			},
		},
	})
}

func ptr[T any](v T) *T { return &v }
