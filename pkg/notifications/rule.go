package notifications

import (
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/postgres"
)

// Switch is one of a business's notification switches, by the name that its settings have for it.
type Switch string

// The switches that mails obey.
const (
	EmailNotifications Switch = "emailNotifications"
	LowStockAlerts     Switch = "lowStockAlerts"
	SalesUpdates       Switch = "salesUpdates"
	SystemUpdates      Switch = "systemUpdates"
	ActivityReports    Switch = "activityReports"
)

// switchesOf says which switches besides EmailNotifications a kind of mail obeys, by its template. A kind with nil is about security or a payment: it obeys none and no
// quiet hours either, because somebody waits for it or must know. A kind that is not here obeys EmailNotifications and quiet hours.
var switchesOf = map[string][]Switch{
	VerifyEmail{}.Template():     nil,
	PasswordReset{}.Template():   nil,
	PasswordChanged{}.Template(): nil,
	Invitation{}.Template():      nil,

	CreditsPurchased{}.Template():      nil,
	PaymentReview{}.Template():         nil,
	SubscriptionActivated{}.Template(): nil,
	PaymentFailed{}.Template():         nil,
	Invoice{}.Template():               nil,
	SubscriptionState{}.Template():     nil, // whether the shop can be worked in

	SubscriptionReminder{}.Template(): {SystemUpdates},

	GatewayDown{}.Template():      nil,
	GatewayRecovered{}.Template(): nil,

	Welcome{}.Template():     {},
	CreditAlert{}.Template(): {SystemUpdates},

	WebhookDisabled{}.Template(): {SystemUpdates},

	LowStock{}.Template():      {LowStockAlerts},
	ExpiringStock{}.Template(): {LowStockAlerts},
	StockMovement{}.Template(): {SalesUpdates},

	ActivitySummary{}.Template(): {ActivityReports},

	ReportReady{}.Template():  {}, // who asks for one has asked for the mail
	ReportFailed{}.Template(): {},

	ExportReady{}.Template():   {}, // the export settings say whether a schedule mails at all, and its readers stop it by themselves
	ExportFailed{}.Template():  {},
	ExportSummary{}.Template(): {},
}

// Hold is what keeps a mail from being sent now; the zero Hold is nothing.
type Hold struct {
	// Off is the switch with which the business has turned such mails off: it will never be sent.
	Off Switch
	// Blocked is why the recipient gets no such mails any more, in a sentence: it will never be sent.
	Blocked string
	// Wait is how long the business's quiet hours last.
	Wait time.Duration
}

// HoldOf returns what keeps a mail of that template from being sent to tenant's people now. Mails of the platform, and of a business that has no settings, are sent. tx must
// be bound to the tenant.
func HoldOf(tx *gorm.DB, tenant uuid.UUID, template string, now time.Time) (Hold, error) {
	switches, listed := switchesOf[template]
	if tenant == uuid.Nil || listed && switches == nil {
		return Hold{}, nil
	}
	var mails, stock, sales, system, activity bool
	var zone string
	var start, end *int
	err := postgres.QueryRow(tx, `select email_notifications, low_stock_alerts, sales_updates, system_updates, activity_reports, timezone,
		        (extract(epoch from quiet_start) / 60)::int, (extract(epoch from quiet_end) / 60)::int
		   from accounts.v_settings where tenant_id = $1`, tenant).Scan(&mails, &stock, &sales, &system, &activity, &zone, &start, &end)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return Hold{}, nil
	case err != nil:
		return Hold{}, fmt.Errorf("read the settings for a mail: %w", err)
	}
	on := map[Switch]bool{EmailNotifications: mails, LowStockAlerts: stock, SalesUpdates: sales, SystemUpdates: system, ActivityReports: activity}
	for _, s := range append([]Switch{EmailNotifications}, switches...) {
		if !on[s] {
			return Hold{Off: s}, nil
		}
	}
	if start == nil || end == nil {
		return Hold{}, nil
	}
	return Hold{Wait: quietFor(now, zone, *start, *end)}, nil
}

// quietFor returns how long the quiet hours around now last: from the minute start of a day to the minute end, of the next day when that is not later. It is zero outside
// of them. Where a clock is put back the rest is a minute at least, and whoever comes back then asks again.
func quietFor(now time.Time, zone string, start, end int) time.Duration {
	where, err := time.LoadLocation(zone)
	if err != nil {
		where = time.UTC
	}
	local := now.In(where)
	minute := local.Hour()*60 + local.Minute()
	overnight := start > end
	switch {
	case !overnight && (minute < start || minute >= end), overnight && minute < start && minute >= end:
		return 0
	}
	day := local.Day()
	if overnight && minute >= start {
		day++
	}
	return max(time.Date(local.Year(), local.Month(), day, end/60, end%60, 0, 0, where).Sub(now), time.Minute)
}
