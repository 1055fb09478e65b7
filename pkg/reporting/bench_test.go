package reporting_test

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/postgres"
	"makola/pkg/reporting"
)

const benchSales = 100_000

// BenchmarkWriteSales writes 100,000 sales of one line each, beside reading the same rows and dropping them.
func BenchmarkWriteSales(b *testing.B) {
	s := open(b)
	_, err := s.admin.Exec(b.Context(), `
		with sale as (
		  insert into sales.sale (id, tenant_id, storefront_id, user_id, customer_id, receipt_number, type, status, currency, subtotal_minor, total_minor, paid_minor, payment_type, completed_at, created_at)
		  select gen_random_uuid(), '01900000-0000-7000-8000-000000000010', '01900000-0000-7000-8000-000000000021', '01900000-0000-7000-8000-000000000001', '01900000-0000-7000-8000-000000000050',
		         'MKL-' || i, 'RETAIL', 'COMPLETED', 'GHS', i, i, i, 'CASH', '2026-03-14 08:00+00'::timestamptz + i * interval '10 seconds', now() from generate_series(1, $1::int) i
		  returning id, tenant_id, total_minor)
		insert into sales.sale_item (id, tenant_id, sale_id, line, product_id, quantity, unit_price_minor, total_minor, cost_minor, product_name, product_sku)
		select gen_random_uuid(), tenant_id, id, 1, '01900000-0000-7000-8000-000000000040', 1, total_minor, total_minor, total_minor / 2, 'Rice 1 kg', 'RICE' from sale`, benchSales)
	require.NoError(b, err)
	_, err = s.admin.Exec(b.Context(), `vacuum analyze sales.sale, sales.sale_item`)
	require.NoError(b, err)
	b.Run("read", func(b *testing.B) {
		for b.Loop() {
			require.NoError(b, s.db.InTenant(of(b.Context()), func(tx *gorm.DB) error {
				rows := 0
				for _, q := range []string{
					`select s.receipt_number, s.completed_at, s.status, s.subtotal_minor, s.total_minor, s.paid_minor from sales.sale s where completed_at is not null order by completed_at, id`,
					`select s.receipt_number, i.product_name, i.quantity, i.unit_price_minor, i.total_minor, i.cost_minor from sales.sale s join sales.sale_item i on i.sale_id = s.id where s.completed_at is not null order by s.completed_at, s.id`,
				} {
					all, err := postgres.Exec(tx, q)
					if err != nil {
						return err
					}
					rows += int(all)
				}
				require.Greater(b, rows, 2*benchSales)
				return nil
			}))
		}
	})
	for _, format := range []string{"csv", "excel", "pdf"} {
		o := s.order(b, reporting.Sales, format, "2026-03-10", "2026-03-31")
		b.Run(format, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				made, err := reporting.Write(of(b.Context()), s.db, io.Discard, o, nil)
				require.NoError(b, err)
				require.Greater(b, made.Records, int64(benchSales))
			}
		})
	}
}
