package tasks_test

import (
	"testing"

	"github.com/stretchr/testify/require"
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
			"reports.generate_sales_report":      sample(&reportspb.GenerateSalesReportArgs{BusinessId: business, StartDate: "2026-03-10", EndDate: "2026-03-11"}),
			"reports.generate_inventory_report":  sample(&reportspb.GenerateInventoryReportArgs{BusinessId: business}),
			"reports.export_customers_to_csv":    sample(&reportspb.ExportCustomersToCsvArgs{BusinessId: business}),
			"reports.export_audit_logs":          sample(&reportspb.ExportAuditLogsArgs{BusinessId: business, StartDate: "2026-03-10", EndDate: "2026-03-11"}),
			"reports.send_export_summary_report": sample(&reportspb.SendExportSummaryReportArgs{BusinessId: &business}),
			"reports.execute_single_export": func(t *testing.T, db *postgrestest.Database) tasktest.Sample {
				t.Helper()
				fill(t, db.Admin())
				_, err := db.Admin().Exec(t.Context(), `insert into reporting.export_schedule (id, tenant_id, name, kind, format, frequency, hour, recipients, is_active, created_by)
					values ($1, $2, 'Customers', 'customers', 'csv', 'DAILY', 2, '{accountant@example.com}', false, $3)`, id("e1"), id("10"), id("01"))
				require.NoError(t, err)
				return tasktest.Sample{Args: &reportspb.ExecuteSingleExportArgs{ScheduleId: id("e1").String()}, Tenant: id("10")}
			},
			"reports.check_and_run_scheduled_exports": func(t *testing.T, db *postgrestest.Database) tasktest.Sample {
				t.Helper()
				fill(t, db.Admin())
				for _, sql := range []string{
					`insert into reporting.export_schedule (id, tenant_id, name, kind, format, frequency, hour, recipients, next_run_at, created_by)
						values ('` + id("e1").String() + `', '` + business + `', 'Customers', 'customers', 'csv', 'DAILY', 2, '{accountant@example.com}', now() - interval '1 hour', '` + id("01").String() + `')`,
					`insert into billing.subscription (tenant_id, status, period_start, period_end) values ('` + business + `', 'ACTIVE', now() - interval '1 day', now() + interval '20 days')`,
				} {
					_, err := db.Admin().Exec(t.Context(), sql)
					require.NoError(t, err)
				}
				return tasktest.Sample{Args: &reportspb.CheckAndRunScheduledExportsArgs{}}
			},
			"reports.export_transactions_to_excel": sample(&reportspb.ExportTransactionsToExcelArgs{BusinessId: business, StartDate: "2026-03-10", EndDate: "2026-03-11"}),
		},
	})
}
