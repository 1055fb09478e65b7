package templates_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/stretchr/testify/require"

	"makola/pkg/money"
	"makola/pkg/notifications"
	"makola/services/notifier/internal/templates"
)

var update = flag.Bool("update", false, "write the golden files anew; look at each of them afterwards")

// paidAt is 00:30 of the next day in Accra's eastern neighbour Lagos.
var paidAt = time.Date(2026, 3, 31, 23, 30, 0, 0, time.UTC)

func receipt() notifications.CreditsPurchased {
	return notifications.CreditsPurchased{
		Name: "Ama Mensah", Business: "Ama's Provisions", Package: "value", Reference: "AI-06FZ8Q9W3M7K2X4B5N6P7R8S9T",
		Credits: 8000, Bonus: 2000, TotalCredits: 10000, Balance: 13450, Currency: money.GHS, BaseMinor: 8000, PaidMinor: 9600,
		Taxes: []notifications.Tax{
			{Name: "National Health Insurance Levy", BasisPoints: 250, AmountMinor: 200},
			{Name: "GETFund Levy", BasisPoints: 250, AmountMinor: 200},
			{Name: "Value Added Tax", BasisPoints: 1500, AmountMinor: 1200},
		},
		PaidAt: paidAt, ExpiresAt: paidAt.AddDate(0, 0, 180), Timezone: "Africa/Accra",
	}
}

func subscribed() notifications.SubscriptionActivated {
	return notifications.SubscriptionActivated{
		Name: "Ama Mensah", Business: "Ama's Provisions", Storefronts: 2, Reference: "SUB-06FZ8Q9W3M7K2X4B5N6P7R8S9T", Currency: money.GHS, BaseMinor: 15000, PaidMinor: 18000,
		Taxes: invoiced(0).Taxes, PaidAt: paidAt, PeriodStart: paidAt, PeriodEnd: paidAt.AddDate(0, 1, 0), Timezone: "Africa/Accra",
	}
}

func invoiced(reminder int) notifications.Invoice {
	return notifications.Invoice{
		Name: "Ama Mensah", Business: "Ama's Provisions", Storefronts: 2, Number: "INV-202603-000017", PeriodStart: paidAt, PeriodEnd: paidAt.AddDate(0, 1, -1), Currency: money.GHS,
		BaseMinor: 15000, TotalMinor: 18501, Charges: []notifications.Tax{{Name: "Card fee", BasisPoints: 195, AmountMinor: 351}, {Name: "Messages", AmountMinor: 150}}, Taxes: []notifications.Tax{
			{Name: "National Health Insurance Levy", BasisPoints: 250, AmountMinor: 375}, {Name: "GETFund Levy", BasisPoints: 250, AmountMinor: 375}, {Name: "Value Added Tax", BasisPoints: 1500, AmountMinor: 2250},
		}, DueOn: "2026-03-31", Reminder: reminder, Timezone: "Africa/Accra",
	}
}

func stateOf(state string) notifications.SubscriptionState {
	return notifications.SubscriptionState{Name: "Ama Mensah", Business: "Ama's Provisions", State: state, EndsAt: paidAt, GraceEndsAt: paidAt.AddDate(0, 0, 8), Timezone: "Africa/Accra"}
}

func lowStock() notifications.LowStock {
	days, hours := int64(3), int64(0)
	return notifications.LowStock{Name: "Ama Mensah", Owner: true, Business: "Ama's Provisions", Currency: money.GHS, Total: 27, New: 4, Recovered: 2, Items: []notifications.LowStockItem{
		{Product: "Ideal Evaporated Milk 160 g", SKU: "MLK-160", Place: "Makola Main", Left: 0, Unit: "tin", Level: 24, New: true},
		{Product: "Royal Aroma Perfumed Rice, long grain, five kilograms, in the blue bag with the handle", SKU: "RICE-5KG-RA", Place: "Osu Branch", Left: 2, Unit: "bag", Level: 10, CoverDays: &hours, ValueMinor: 18_000, New: true},
		{Product: "Gino Tomato Mix 210 g", SKU: "TOM-210", Place: "Makola Main", Left: 1200, Unit: "pcs", Level: 1500, CoverDays: &days, ValueMinor: 540_000},
		{Product: "Candles, white", SKU: "CAN-W", Place: "Osu Branch", Left: 4, Unit: "pcs", Level: 10, ValueMinor: 1_200},
	}}
}

func expiring() notifications.ExpiringStock {
	return notifications.ExpiringStock{Name: "Ama Mensah", Owner: true, Business: "Ama's Provisions", Currency: money.GHS, Total: 24, ValueMinor: 1_234_56, Expired: 2, ExpiredMinor: 46_20, Items: []notifications.ExpiringItem{
		{Product: "FanYogo Strawberry", SKU: "FAN-ST", Place: "Makola Main", Date: "2026-03-28", Days: -3, Left: 7, Unit: "pcs", ValueMinor: 23_10},
		{Product: "FanIce Vanilla", SKU: "FAN-V", Place: "Makola Main", Date: "2026-03-30", Days: -1, Left: 7, Unit: "pcs", ValueMinor: 23_10},
		{Product: "Butter Bread", SKU: "BRD-B", Place: "Osu Branch", Date: "2026-03-31", Days: 0, Left: 3, Unit: "loaf", ValueMinor: 3_000},
		{Product: "Sugar Bread", SKU: "BRD-S", Place: "Osu Branch", Date: "2026-04-01", Days: 1, Left: 1, Unit: "loaf", ValueMinor: 1_000},
		{Product: "Amoxicillin 500 mg", SKU: "AMX-500", Place: "Makola Main", Date: "2026-04-14", Days: 14, Left: 120, Unit: "strip", ValueMinor: 96_000},
	}}
}

func moved() notifications.StockMovement {
	return notifications.StockMovement{
		Name: "Ama Mensah", Business: "Ama's Provisions", Currency: money.GHS, From: "2026-03-23", To: "2026-03-29", Days: 7,
		Now:    notifications.Flow{Sales: 412, UnitsSold: 1630, RevenueMinor: 18_403_50, Received: 900, Returned: 4, AdjustedDown: 11, LostUnits: 9, LostMinor: 84_00},
		Before: notifications.Flow{Sales: 398, UnitsSold: 1702, RevenueMinor: 17_950_00, Received: 0, AdjustedDown: 2, LostUnits: 2, LostMinor: 15_00},
		Top: []notifications.Seller{
			{Product: "Gino Tomato Mix 210 g", SKU: "TOM-210", Units: 310, UnitsBefore: 280, Sales: 201, RevenueMinor: 1_395_00},
			{Product: "Ideal Evaporated Milk 160 g", SKU: "MLK-160", Units: 260, UnitsBefore: 300, Sales: 144, RevenueMinor: 1_820_00},
			{Product: "Milo 400 g", SKU: "MIL-400", Units: 90, UnitsBefore: 0, Sales: 80, RevenueMinor: 4_050_00},
		},
	}
}

func exported() notifications.ExportReady {
	return notifications.ExportReady{
		Name: "Ama Mensah", Business: "Ama's Provisions", Schedule: "Month's sales", Title: "Sales Report", Period: "1 to 31 March 2026", Subject: "Our sales in March", Message: "Dear Mr Owusu,\nplease find our sales below.",
		FileName: "sales_2026-03-01_2026-03-31_20260401_020003.xlsx", SizeBytes: 2_345_678, Rows: 18_412, Seconds: 3, Attached: true, Path: "/api/v1/reports/01900000-0000-7000-8000-000000000010/download",
		ExpiresAt: paidAt.AddDate(0, 0, 30), Timezone: "Africa/Accra",
	}
}

func activity() notifications.ActivitySummary {
	return notifications.ActivitySummary{
		Name: "Ama Mensah", Business: "Ama's Provisions", From: "2026-03-23", To: "2026-03-29", Logins: 41, Logouts: 12, People: 5, Actions: 1_873,
		MostActive: []notifications.ActivePerson{{Name: "Kofi Boateng", Logins: 12, Actions: 912}, {Name: "Yaa Asantewaa", Logins: 9, Actions: 700}, {Name: "Ama Mensah", Logins: 20, Actions: 60}},
		ByAction: []notifications.ActionCount{
			{Action: "SALE", Count: 1_602}, {Action: "PAYMENT", Count: 120}, {Action: "LOGIN", Count: 41}, {Action: "invitation.created", Count: 2}, {Action: "stock.released", Count: 1},
		},
		OtherActions: 107,
	}
}

// token is as long as those that are sent.
const token = "dGhpcyBpcyBub3QgYSB0b2tlbiBidXQgMzIgYnl0ZXM"

func samples() map[string]notifications.Content {
	bare := receipt()
	bare.Name, bare.Package, bare.Bonus, bare.Taxes = "", "", 0, nil
	bare.TotalCredits, bare.Balance, bare.PaidMinor = 8000, 8000, 8000
	bare.PaidAt, bare.ExpiresAt = time.Time{}, time.Time{}
	return map[string]notifications.Content{
		"welcome":                notifications.Welcome{Name: "Ama Mensah", Business: "Ama's Provisions", Role: "OWNER"},
		"welcome_employee":       notifications.Welcome{Name: "Kofi", Business: "Ama's Provisions", Role: "STAFF"},
		"welcome_alone":          notifications.Welcome{},
		"credits_purchased":      receipt(),
		"credits_purchased_bare": bare,
		"verify_email":           notifications.VerifyEmail{Name: "Ama Mensah", Token: "mev_" + token, ExpiresAt: paidAt, Timezone: "Africa/Accra"},
		"password_reset":         notifications.PasswordReset{Name: "Ama Mensah", Token: "mpr_" + token, ExpiresAt: paidAt, Timezone: "Africa/Accra"},
		"password_changed":       notifications.PasswordChanged{Name: "Ama Mensah", ChangedAt: paidAt, IP: "192.0.2.17", Timezone: "Africa/Accra"},
		"invitation": notifications.Invitation{
			Business: "Ama's Provisions", Inviter: "Ama Mensah", Role: "MANAGER", Storefronts: 2, Token: "miv_" + token, ExpiresAt: paidAt, Timezone: "Africa/Accra",
		},
		"credit_alert_low":       notifications.CreditAlert{Name: "Ama Mensah", Business: "Ama's Provisions", Kind: "low_balance", Balance: 950, Threshold: 1000, Timezone: "Africa/Accra"},
		"credit_alert_depleted":  notifications.CreditAlert{Name: "Ama Mensah", Business: "Ama's Provisions", Kind: "depleted", Balance: 20, Threshold: 100, Timezone: "Africa/Accra"},
		"credit_alert_expiring":  notifications.CreditAlert{Name: "Ama Mensah", Business: "Ama's Provisions", Kind: "expiring", Balance: 13450, Ending: 5000, EndsAt: paidAt, Timezone: "Africa/Accra"},
		"low_stock":              lowStock(),
		"low_stock_manager":      notifications.LowStock{Name: "Kojo", Business: "Ama's Provisions", Currency: money.GHS, Total: 1, New: 1, Items: lowStock().Items[:1]},
		"expiring_stock":         expiring(),
		"expired_stock":          notifications.ExpiringStock{Name: "Ama Mensah", Owner: true, Business: "Ama's Provisions", Currency: money.GHS, Total: 1, Expired: 1, ValueMinor: 23_10, ExpiredMinor: 23_10, Items: expiring().Items[:1]},
		"stock_movement":         moved(),
		"gateway_down":           notifications.GatewayDown{Provider: "paystack", Since: paidAt, Error: "HTTP 502"},
		"gateway_down_bare":      notifications.GatewayDown{},
		"gateway_recovered":      notifications.GatewayRecovered{Provider: "flutterwave", Since: paidAt, RecoveredAt: paidAt.Add(47 * time.Minute), Error: "context deadline exceeded"},
		"activity_summary":       activity(),
		"activity_summary_first": notifications.ActivitySummary{Business: "Ama's Provisions", From: "2026-03-23", To: "2026-03-29", People: 1, Actions: 1, ByAction: []notifications.ActionCount{{Action: "CREATE", Count: 1}}},
		"webhook_disabled":       notifications.WebhookDisabled{Name: "Ama Mensah", Business: "Ama's Provisions", Host: "hooks.example.com", Description: "Bookkeeping", Since: paidAt, Timezone: "Africa/Accra"},
		"webhook_disabled_gone":  notifications.WebhookDisabled{Name: "Ama Mensah", Business: "Ama's Provisions", Host: "hooks.example.com", Gone: true, Since: paidAt, Timezone: "Africa/Accra"},
		"report_ready": notifications.ReportReady{
			Name: "Ama Mensah", Business: "Ama's Provisions", Title: "Sales Report", Period: "1 to 31 March 2026", FileName: "sales_2026-03-01_2026-03-31_20260401_001500.xlsx", SizeBytes: 2_345_678, Rows: 18_412,
			ExpiresAt: paidAt.AddDate(0, 0, 30), Timezone: "Africa/Accra",
		},
		"report_ready_bare": notifications.ReportReady{SizeBytes: 14_300},
		"report_failed":     notifications.ReportFailed{Name: "Ama Mensah", Business: "Ama's Provisions", Title: "Sales Report", Period: "1 to 31 March 2026"},
		"export_ready":      exported(),
		"export_ready_link": func() notifications.ExportReady {
			c := exported()
			c.Name, c.Subject, c.Message, c.Attached, c.SizeBytes, c.Rows, c.Link = "", "", "", false, 48_100_000, 1_204_551, "https://api.example.com"+c.Path
			return c
		}(),
		"export_ready_signed": func() notifications.ExportReady {
			c := exported()
			c.Name, c.Attached, c.SizeBytes, c.Rows, c.Link, c.LinkUntil = "", false, 48_100_000, 1_204_551, "https://api.example.com/api/v1/report-files/abc", paidAt.AddDate(0, 0, 7)
			return c
		}(),
		"export_failed":      notifications.ExportFailed{Name: "Ama Mensah", Business: "Ama's Provisions", Schedule: "Month's sales", Title: "Sales Report", Period: "1 to 31 March 2026", Failure: "TOO_LARGE", NextRun: paidAt, Timezone: "Africa/Lagos"},
		"export_failed_bare": notifications.ExportFailed{Failure: "SOMETHING_NEW"},
		"export_summary": notifications.ExportSummary{Name: "Ama Mensah", Business: "Ama's Provisions", From: "2026-03-23", To: "2026-03-29", Total: 12, Successful: 11, Failed: 1, Records: 48_210, SizeBytes: 5_234_000,
			Kinds: []notifications.ExportKind{{Title: "Sales Report", Total: 8, Successful: 7, Failed: 1, Records: 47_000, SizeBytes: 5_100_000}, {Title: "Inventory Report", Total: 4, Successful: 4, Records: 1_210, SizeBytes: 134_000}}},
		"stock_movement_first_month":  notifications.StockMovement{Business: "Ama's Provisions", Currency: money.GHS, From: "2026-03-01", To: "2026-03-30", Days: 30, Now: notifications.Flow{Received: 40}},
		"subscription_activated":      subscribed(),
		"subscription_activated_bare": notifications.SubscriptionActivated{Currency: money.GHS, PaidMinor: 12000},
		"subscription_renewal": notifications.SubscriptionReminder{
			Name: "Ama Mensah", Business: "Ama's Provisions", Kind: "renewal", EndsAt: paidAt, Days: 7, AmountMinor: 18000, Currency: money.GHS, Storefronts: 2, Timezone: "Africa/Accra",
		},
		"subscription_expiring": notifications.SubscriptionReminder{
			Name: "Ama Mensah", Business: "Ama's Provisions", Kind: "expiry", EndsAt: paidAt, Days: 1, AmountMinor: 12000, Currency: money.GHS, Storefronts: 1, Timezone: "Africa/Lagos",
		},
		"subscription_trial_ending": notifications.SubscriptionReminder{
			Name: "Ama Mensah", Business: "Ama's Provisions", Kind: "trial", EndsAt: paidAt, Days: 3, AmountMinor: 12000, Currency: money.GHS, Storefronts: 1, Timezone: "Africa/Accra",
		},
		"invoice":         invoiced(0),
		"invoice_overdue": invoiced(2),
		"invoice_bare":    notifications.Invoice{Number: "INV-202603-000017", Currency: money.GHS, TotalMinor: 12000},

		"subscription_trial_ended": stateOf("INACTIVE"),
		"subscription_past_due":    stateOf("PAST_DUE"),
		"subscription_expired":     stateOf("EXPIRED"),
		"subscription_cancelling":  stateOf("CANCELLING"),
		"subscription_cancelled":   stateOf("CANCELLED"),
		"subscription_suspended":   stateOf("SUSPENDED"),
		"subscription_lifted":      stateOf("ACTIVE"),
		"subscription_state_bare":  notifications.SubscriptionState{State: "PAST_DUE"},
		"payment_review_subscription": notifications.PaymentReview{
			Name: "Ama Mensah", Business: "Ama's Provisions", Reference: "SUB-06FZ8Q9W3M7K2X4B5N6P7R8S9T", Product: "subscription",
			ExpectedMinor: 12000, ExpectedCurrency: money.GHS, ReceivedMinor: 11900, ReceivedCurrency: money.GHS, ReportedAt: paidAt, Timezone: "Africa/Accra",
		},
		"payment_review_platform": notifications.PaymentReview{
			Business: "Ama's Provisions", Reference: "AI-06FZ8Q9W3M7K2X4B5N6P7R8S9T", Platform: true,
			ExpectedMinor: 9600, ExpectedCurrency: money.GHS, ReceivedMinor: 9500, ReceivedCurrency: money.GHS, ReportedAt: paidAt, Timezone: "Africa/Accra",
		},
		"payment_failed": notifications.PaymentFailed{
			Name: "Ama Mensah", Business: "Ama's Provisions", Reference: "AI-06FZ8Q9W3M7K2X4B5N6P7R8S9T",
			ExpectedMinor: 9600, ExpectedCurrency: money.GHS, ReportedAt: paidAt, Timezone: "Africa/Accra",
		},
		"payment_failed_subscription": notifications.PaymentFailed{
			Name: "Ama Mensah", Business: "Ama's Provisions", Reference: "SUB-06FZ8Q9W3M7K2X4B5N6P7R8S9T", Product: "subscription",
			ExpectedMinor: 12000, ExpectedCurrency: money.GHS, ReportedAt: paidAt, Timezone: "Africa/Accra",
		},
		"payment_review": notifications.PaymentReview{
			Name: "Ama Mensah", Business: "Ama's Provisions", Reference: "AI-06FZ8Q9W3M7K2X4B5N6P7R8S9T",
			ExpectedMinor: 9600, ExpectedCurrency: money.GHS, ReceivedMinor: 9500, ReceivedCurrency: money.GHS, ReportedAt: paidAt, Timezone: "Africa/Accra",
		},
	}
}

func TestMailsReadAsTheyDid(t *testing.T) {
	t.Parallel()
	set, err := templates.New("https://app.example.com")
	require.NoError(t, err)
	for name, content := range samples() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, err := set.Render(content)
			require.NoError(t, err)
			golden(t, name+".txt", "Subject: "+m.Subject+"\n\n"+m.Text)
			golden(t, name+".html", m.HTML)
		})
	}
}

func TestPeoplesWordsCannotBreakOut(t *testing.T) {
	t.Parallel()
	set, err := templates.New("")
	require.NoError(t, err)
	evil := "<script>alert(1)</script>\r\nBcc: all@example.com\r\n\r\n-- \u202egnp\u200b.exe"
	contents := map[string]notifications.Content{
		"welcome": notifications.Welcome{Name: evil, Business: evil, Role: evil},
		"credits_purchased": notifications.CreditsPurchased{Name: evil, Business: evil, Package: evil, Reference: evil, Currency: "GHS\r\n",
			Taxes: []notifications.Tax{{Name: evil}}, Timezone: evil, PaidAt: paidAt},
		"subscription_activated": notifications.SubscriptionActivated{Name: evil, Business: evil, Reference: evil, Currency: "GHS\r\n", Taxes: []notifications.Tax{{Name: evil}}, Timezone: evil,
			PaidAt: paidAt, PeriodStart: paidAt, PeriodEnd: paidAt},
		"verify_email":      notifications.VerifyEmail{Name: evil, Token: "x", Timezone: evil},
		"password_reset":    notifications.PasswordReset{Name: evil, Token: "x", Timezone: evil},
		"password_changed":  notifications.PasswordChanged{Name: evil, IP: evil, Timezone: evil},
		"invitation":        notifications.Invitation{Business: evil, Inviter: evil, Role: evil, Token: "x", Timezone: evil},
		"credit_alert":      notifications.CreditAlert{Name: evil, Business: evil, Kind: evil, Timezone: evil},
		"low_stock":         notifications.LowStock{Name: evil, Business: evil, Currency: "GHS\r\n", Total: 1, Items: []notifications.LowStockItem{{Product: evil, SKU: evil, Place: evil, Unit: evil, Left: 1, ValueMinor: 1}}},
		"expiring_stock":    notifications.ExpiringStock{Name: evil, Business: evil, Currency: "GHS\r\n", Total: 1, Items: []notifications.ExpiringItem{{Product: evil, SKU: evil, Place: evil, Date: evil, Unit: evil, Days: 5, ValueMinor: 1}}},
		"stock_movement":    notifications.StockMovement{Name: evil, Business: evil, Currency: "GHS\r\n", From: evil, To: evil, Now: notifications.Flow{Sales: 1}, Top: []notifications.Seller{{Product: evil, SKU: evil, Units: 1}}},
		"report_ready":      notifications.ReportReady{Name: evil, Business: evil, Title: evil, Period: evil, FileName: evil, Timezone: evil, ExpiresAt: paidAt},
		"report_failed":     notifications.ReportFailed{Name: evil, Business: evil, Title: evil, Period: evil},
		"export_ready":      notifications.ExportReady{Name: evil, Business: evil, Schedule: evil, Title: evil, Period: evil, Subject: evil, Message: evil, FileName: evil, Timezone: evil, ExpiresAt: paidAt},
		"export_failed":     notifications.ExportFailed{Name: evil, Business: evil, Schedule: evil, Title: evil, Period: evil, Failure: evil, Timezone: evil, NextRun: paidAt},
		"export_summary":    notifications.ExportSummary{Name: evil, Business: evil, From: evil, To: evil, Failed: 1, Kinds: []notifications.ExportKind{{Title: evil}, {Title: evil}}},
		"payment_failed":    notifications.PaymentFailed{Name: evil, Business: evil, Reference: evil, ExpectedCurrency: "<b>", Timezone: "../../etc/passwd", ReportedAt: paidAt, Product: evil},
		"payment_review":    notifications.PaymentReview{Name: evil, Business: evil, Reference: evil, ExpectedCurrency: "<b>", ReceivedCurrency: "<b>", Timezone: "../../etc/passwd", ReportedAt: paidAt},
		"gateway_down":      notifications.GatewayDown{Provider: evil, Error: evil, Since: paidAt},
		"gateway_recovered": notifications.GatewayRecovered{Provider: evil, Error: evil, Since: paidAt, RecoveredAt: paidAt},
		"activity_summary": notifications.ActivitySummary{Name: evil, Business: evil, From: evil, To: evil, Actions: 1, MostActive: []notifications.ActivePerson{{Name: evil, Actions: 1}},
			ByAction: []notifications.ActionCount{{Action: evil, Count: 1}}},
		"webhook_disabled":      notifications.WebhookDisabled{Name: evil, Business: evil, Host: evil, Description: evil, Timezone: evil},
		"subscription_reminder": notifications.SubscriptionReminder{Name: evil, Business: evil, Kind: evil, Currency: "GHS\r\n", EndsAt: paidAt, Timezone: evil},
		"invoice":               notifications.Invoice{Name: evil, Business: evil, Number: evil, Currency: "GHS\r\n", Taxes: []notifications.Tax{{Name: evil}}, Charges: []notifications.Tax{{Name: evil}}, DueOn: evil, PeriodStart: paidAt, Timezone: evil},
		"subscription_state":    notifications.SubscriptionState{Name: evil, Business: evil, State: evil, EndsAt: paidAt, Timezone: evil},
	}
	for name, content := range contents {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, err := set.Render(content)
			require.NoError(t, err)
			require.NotContains(t, m.HTML, "<script")
			require.NotContains(t, m.HTML, "<b>")
			require.NotContains(t, m.HTML, "ZgotmplZ", "html/template found a place it would not fill")
			for _, forbidden := range []string{"\r", "\u202e", "\u200b"} {
				require.NotContains(t, m.Subject+m.Text+m.HTML, forbidden)
			}
			require.NotContains(t, m.Subject, "\n")
			for line := range strings.Lines(m.Text) {
				require.False(t, strings.HasPrefix(line, "Bcc:"), "a name began a line of its own: %q", line)
			}
		})
	}
}

func TestAStrangersNameCarriesNoAdvertisement(t *testing.T) {
	t.Parallel()
	set, err := templates.New("")
	require.NoError(t, err)
	for _, name := range []string{"win at https://spam.example", "WWW.spam.example now", "spam.example/win", "write to a@spam.example", "spam.example.", "see (spam.example)"} {
		m, err := set.Render(notifications.Welcome{Name: name, Business: name})
		require.NoError(t, err)
		require.NotContains(t, strings.ToLower(m.Subject+m.Text+m.HTML), "spam.example", name)
		m, err = set.Render(notifications.Invitation{Business: name, Inviter: name, Token: "x"})
		require.NoError(t, err)
		require.NotContains(t, strings.ToLower(m.Subject+m.Text+m.HTML), "spam.example", name)
	}
	for _, name := range []string{"A.B. Mensah", "Ama's No. 1 Shop", "Mensah & Sons Ltd.", "Nana Kwame III", "Akua Ɔdɛ"} {
		m, err := set.Render(notifications.Welcome{Name: name, Business: name})
		require.NoError(t, err)
		require.Contains(t, m.Subject, name)
		require.Contains(t, m.Text, "Hello "+name+",")
	}
}

func TestTimesAreTheBusinesssOwn(t *testing.T) {
	t.Parallel()
	set, err := templates.New("")
	require.NoError(t, err)
	for zone, want := range map[string]string{
		"Africa/Accra": "31 March 2026, 23:30 GMT",
		"Africa/Lagos": "1 April 2026, 00:30 WAT",
		"Nowhere/City": "31 March 2026, 23:30 UTC",
		"":             "31 March 2026, 23:30 UTC",
		"Local":        "31 March 2026, 23:30 UTC",
	} {
		r := receipt()
		r.Timezone = zone
		m, err := set.Render(r)
		require.NoError(t, err)
		require.Contains(t, m.Text, want, zone)
		require.Contains(t, m.HTML, want, zone)
	}
}

func TestAmountsAreOfTheirCurrency(t *testing.T) {
	t.Parallel()
	set, err := templates.New("")
	require.NoError(t, err)
	r := receipt()
	r.Currency, r.PaidMinor, r.Credits, r.Taxes = money.XOF, 9600, 50, []notifications.Tax{{Name: "T", BasisPoints: 1205}}
	m, err := set.Render(r)
	require.NoError(t, err)
	require.Contains(t, m.Text, "XOF 9,600\n")
	require.Contains(t, m.Text, "0.50\n")
	require.Contains(t, m.Text, "T (12.05%)")
}

func TestNoLineOfTextIsLongerThanMailProgramsShow(t *testing.T) {
	t.Parallel()
	set, err := templates.New("https://app.example.com")
	require.NoError(t, err)
	for name, content := range samples() {
		m, err := set.Render(content)
		require.NoError(t, err)
		for line := range strings.Lines(m.Text) {
			if strings.HasPrefix(line, "https://") && !strings.Contains(line, " ") {
				continue // a link alone on its line is never broken
			}
			require.LessOrEqual(t, len([]rune(strings.TrimRight(line, "\n"))), 78, "%s: %s", name, line)
		}
	}
}

type contentOfTomorrow struct{}

func (contentOfTomorrow) Template() string { return "tomorrow" }

func TestContentWithoutWordsIsRefused(t *testing.T) {
	t.Parallel()
	set, err := templates.New("")
	require.NoError(t, err)
	_, err = set.Render(contentOfTomorrow{})
	require.ErrorIs(t, err, notifications.ErrUnknownTemplate)
}

// golden compares got with a file of testdata, or writes it with -update.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o750))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o600))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "run the test with -update to write it")
	require.Equal(t, string(want), got)
}

func TestATokenIsALinkOrABareCode(t *testing.T) {
	t.Parallel()
	for appURL, want := range map[string]string{"": "Code  mpr_x", "https://app.example.com": "https://app.example.com/reset-password#token=mpr_x", "https://app.example.com/": "https://app.example.com/reset-password#token=mpr_x"} {
		set, err := templates.New(appURL)
		require.NoError(t, err)
		m, err := set.Render(notifications.PasswordReset{Token: "mpr_x"})
		require.NoError(t, err)
		require.Contains(t, m.Text, want)
		_, err = set.Render(notifications.PasswordReset{})
		require.ErrorIs(t, err, notifications.ErrForgotten)
	}
}
