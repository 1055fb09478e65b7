package tasks_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

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

// of is a task's sample: a call of it for an arranged business.
func of(args func(t *testing.T, db *postgrestest.Database, s *shop) proto.Message) func(t *testing.T, db *postgrestest.Database) tasktest.Sample {
	return func(t *testing.T, db *postgrestest.Database) tasktest.Sample {
		t.Helper()
		s := arranged(t, db)
		return tasktest.Sample{Tenant: s.id, Args: args(t, db, s)}
	}
}

// naming is of for arguments that name the business alone.
func naming(args func(id *string) proto.Message) func(t *testing.T, db *postgrestest.Database) tasktest.Sample {
	return of(func(t *testing.T, _ *postgrestest.Database, s *shop) proto.Message {
		t.Helper()
		return args(ptr(s.id.String()))
	})
}

// importing is of for arguments that name an import of the file.
func importing(file string, what func(s *shop) imports.Import, args func(id string) proto.Message) func(t *testing.T, db *postgrestest.Database) tasktest.Sample {
	return of(func(t *testing.T, db *postgrestest.Database, s *shop) proto.Message {
		t.Helper()
		return args(upload(t, db, s, what(s), file).String())
	})
}

func TestContract(t *testing.T) {
	t.Parallel()
	tasktest.Contract(t, tasktest.Trial{
		Role:     "makola_inventory",
		Register: register,
		Samples: map[string]func(t *testing.T, db *postgrestest.Database) tasktest.Sample{
			"inventory.check_stock_levels":         naming(func(id *string) proto.Message { return &inventorypb.CheckStockLevelsArgs{BusinessId: id} }),
			"inventory.send_low_stock_alert":       naming(func(id *string) proto.Message { return &inventorypb.SendLowStockAlertArgs{BusinessId: id} }),
			"inventory.check_expiring_products":    naming(func(id *string) proto.Message { return &inventorypb.CheckExpiringProductsArgs{BusinessId: id} }),
			"inventory.send_stock_movement_report": naming(func(id *string) proto.Message { return &inventorypb.SendStockMovementReportArgs{BusinessId: id} }),
			"inventory.verify_stock":               naming(func(id *string) proto.Message { return &inventorypb.VerifyStockArgs{BusinessId: id} }),
			"sales.verify_receivables":             naming(func(id *string) proto.Message { return &salespb.VerifyReceivablesArgs{BusinessId: id} }),
			"inventory.import_products": importing("name,sku\nRice,R1\n", func(*shop) imports.Import { return imports.Import{Kind: imports.Products} },
				func(id string) proto.Message { return &inventorypb.ImportProductsArgs{ImportId: id} }),
			"inventory.import_opening_stock": importing("sku,quantity,unit_cost,retail_price\nsku-milk,5,1,2\n", func(s *shop) imports.Import { return imports.Import{Kind: imports.OpeningStock, Location: s.place} },
				func(id string) proto.Message { return &inventorypb.ImportOpeningStockArgs{ImportId: id} }),
			"sales.import_customers": importing("name,phone\nEsi,0244000111\n", func(*shop) imports.Import { return imports.Import{Kind: imports.Customers} },
				func(id string) proto.Message { return &salespb.ImportCustomersArgs{ImportId: id} }),
		},
	})
}

func ptr[T any](v T) *T { return &v }
