package tasks_test

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"makola/pkg/postgres/postgrestest"
	"makola/pkg/task"
	"makola/pkg/task/tasktest"
	"makola/proto/contract"
	reportspb "makola/proto/makola/reports/v1"
)

func TestContract(t *testing.T) {
	t.Parallel()
	files := folder(t)
	sample := func(args proto.Message) func(*testing.T, *postgrestest.Database) tasktest.Sample {
		return func(t *testing.T, db *postgrestest.Database) tasktest.Sample {
			t.Helper()
			fill(t, db.Admin())
			return tasktest.Sample{Args: args, Tenant: id("10")}
		}
	}
	business := id("10").String()
	tasktest.Contract(t, tasktest.Trial{
		Role: "makola_reports",
		Register: func(db *postgrestest.Database, r contract.Registrar, q *task.Queue) {
			register(db.Open("makola_reports"), nil, files, r, q)
		},
		Samples: map[string]func(*testing.T, *postgrestest.Database) tasktest.Sample{
			"reports.generate_sales_report":        sample(&reportspb.GenerateSalesReportArgs{BusinessId: business, StartDate: "2026-03-10", EndDate: "2026-03-11"}),
			"reports.generate_inventory_report":    sample(&reportspb.GenerateInventoryReportArgs{BusinessId: business}),
			"reports.export_customers_to_csv":      sample(&reportspb.ExportCustomersToCsvArgs{BusinessId: business}),
			"reports.export_transactions_to_excel": sample(&reportspb.ExportTransactionsToExcelArgs{BusinessId: business, StartDate: "2026-03-10", EndDate: "2026-03-11"}),
		},
	})
}
