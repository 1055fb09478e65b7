package billing

import (
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/money"
)

// PlatformStats are sums over all businesses.
type PlatformStats struct {
	Subscriptions []StatusCount
	// Revenue is by month, the newest first, at most twelve of each currency.
	Revenue  []MonthRevenue
	Invoices []InvoiceCount
}

// StatusCount is how many businesses have a subscription of one status, for how many storefronts, and what they last paid for a month.
type StatusCount struct {
	Status                  SubscriptionStatus
	Businesses, Storefronts int64
	Monthly                 money.Amount
}

// MonthRevenue is what was paid for subscriptions in one month, YYYY-MM, less what went back.
type MonthRevenue struct {
	Month    string
	Payments int64
	Paid     money.Amount
}

// InvoiceCount is how many invoices have one status, and what they come to.
type InvoiceCount struct {
	Status InvoiceStatus
	Number int64
	Total  money.Amount
}

// StatsOfPlatform adds up all businesses. tx must be a platform transaction of the gateway.
func StatsOfPlatform(tx *gorm.DB) (s PlatformStats, err error) {
	err = query(tx, "count subscriptions", `select status, currency, businesses, storefronts, monthly_minor from billing.v_platform_subscriptions order by status, currency`, func(rows pgx.Rows) error {
		var c StatusCount
		err := rows.Scan(&c.Status, (*string)(&c.Monthly.Currency), &c.Businesses, &c.Storefronts, &c.Monthly.Minor)
		s.Subscriptions = append(s.Subscriptions, c)
		return err
	})
	if err != nil {
		return s, err
	}
	err = query(tx, "sum revenue", `
		select month, currency, payments, paid_minor from (select *, row_number() over (partition by currency order by month desc) as n from billing.v_platform_revenue) r where n <= 12 order by month desc, currency`,
		func(rows pgx.Rows) error {
			var r MonthRevenue
			err := rows.Scan(&r.Month, (*string)(&r.Paid.Currency), &r.Payments, &r.Paid.Minor)
			s.Revenue = append(s.Revenue, r)
			return err
		})
	if err != nil {
		return s, err
	}
	err = query(tx, "count invoices", `select status, currency, invoices, total_minor from billing.v_platform_invoices order by status, currency`, func(rows pgx.Rows) error {
		var i InvoiceCount
		err := rows.Scan(&i.Status, (*string)(&i.Total.Currency), &i.Number, &i.Total.Minor)
		s.Invoices = append(s.Invoices, i)
		return err
	})
	return s, err
}
