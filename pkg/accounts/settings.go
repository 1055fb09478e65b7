package accounts

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/audit"
	"makola/pkg/money"
	"makola/pkg/postgres"
)

// Settings is what a business has chosen.
type Settings struct {
	// Tenant is the business.
	Tenant uuid.UUID
	// Currency is an ISO 4217 code and Timezone an IANA name, both the business's own; Language is en, fr or es.
	Currency, Timezone, Language string
	// ReceiptHeader and ReceiptFooter are printed above and below; both may be empty and may have several lines. ReceiptPaper is thermal-80mm or a4.
	ReceiptHeader, ReceiptFooter, ReceiptPaper string
	// ReceiptTaxes prints each tax on a line of its own, ReceiptBarcode the receipt's number as a bar code.
	ReceiptTaxes, ReceiptBarcode bool
	// SalesTaxBP is the tax on a sale that names none, in basis points: 1500 is 15 %.
	SalesTaxBP int
	// ReorderLevel is at or below what stock is low, for products that say nothing themselves.
	ReorderLevel int64
	// ApproverDiffers says whether whoever approves an adjustment must be another than who made it. ApproverChosen is what the business chose of that; nil leaves it to
	// the number of its active members, more than one meaning yes.
	ApproverDiffers bool
	ApproverChosen  *bool
	// Switches are which messages the business wants.
	Switches Switches
	// Quiet is when no mail shall go out that can wait; nil is never.
	Quiet *QuietHours
}

// Switches are the notification switches. EmailNotifications is the main one of all mails but those on security and payments.
type Switches struct {
	EmailNotifications, LowStockAlerts, SalesUpdates, SystemUpdates, MarketingEmails, SMSNotifications, PushNotifications bool
	// ActivityReports is the owner's weekly mail on what people did; like offers it is off until somebody wants it.
	ActivityReports bool
}

// QuietHours are two local times of a day, as HH:MM. When End is not after Start, they span midnight.
type QuietHours struct{ Start, End string }

// SettingsChange is a change of settings: nil leaves one as it is.
type SettingsChange struct {
	Currency, Timezone, Language               *string
	ReceiptHeader, ReceiptFooter, ReceiptPaper *string
	ReceiptTaxes, ReceiptBarcode               *bool
	SalesTaxBP                                 *int
	ReorderLevel                               *int64
	// Approver points to the new choice, which may be nil; see Settings.ApproverChosen.
	Approver **bool
	// The switches.
	EmailNotifications, LowStockAlerts, SalesUpdates, SystemUpdates, MarketingEmails, SMSNotifications, PushNotifications, ActivityReports *bool
	// Quiet points to the new quiet hours, which may be nil.
	Quiet **QuietHours
}

// Version names what the settings are; it is made of ASCII without spaces.
func (s Settings) Version() string {
	raw, err := json.Marshal(s.values())
	if err != nil {
		panic(err) // strings, numbers and booleans alone
	}
	sum := sha256.Sum256(raw)
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// values are the settings by name, as the audit log and the API call them.
func (s Settings) values() map[string]any {
	v := map[string]any{
		"regional.currency": s.Currency, "regional.timezone": s.Timezone, "regional.language": s.Language,
		"receipt.header": s.ReceiptHeader, "receipt.footer": s.ReceiptFooter, "receipt.paper": s.ReceiptPaper, "receipt.show_taxes": s.ReceiptTaxes, "receipt.barcode": s.ReceiptBarcode,
		"sales.default_tax_rate_bp": s.SalesTaxBP, "inventory.default_reorder_level": s.ReorderLevel, "inventory.separate_approver": nil,
		"notifications.emailNotifications": s.Switches.EmailNotifications, "notifications.lowStockAlerts": s.Switches.LowStockAlerts,
		"notifications.salesUpdates": s.Switches.SalesUpdates, "notifications.systemUpdates": s.Switches.SystemUpdates, "notifications.marketingEmails": s.Switches.MarketingEmails,
		"notifications.smsNotifications": s.Switches.SMSNotifications, "notifications.pushNotifications": s.Switches.PushNotifications, "notifications.quiet_hours": nil,
		"notifications.activityReports": s.Switches.ActivityReports,
	}
	if s.ApproverChosen != nil {
		v["inventory.separate_approver"] = *s.ApproverChosen
	}
	if s.Quiet != nil {
		v["notifications.quiet_hours"] = s.Quiet.Start + "-" + s.Quiet.End
	}
	return v
}

// SettingsOf reads the settings of many businesses with one statement. tx must be bound to them; a business that it does not see is missing from the result.
func SettingsOf(tx *gorm.DB, tenants []uuid.UUID) (map[uuid.UUID]Settings, error) {
	all := make(map[uuid.UUID]Settings, len(tenants))
	if len(tenants) == 0 {
		return all, nil
	}
	err := postgres.Query(tx, func(rows pgx.Rows) error {
		for rows.Next() {
			var s Settings
			var start, end *string
			if err := rows.Scan(&s.Tenant, &s.Currency, &s.Timezone, &s.Language, &s.ReceiptHeader, &s.ReceiptFooter, &s.ReceiptTaxes, &s.ReceiptBarcode, &s.ReceiptPaper,
				&s.SalesTaxBP, &s.ReorderLevel, &s.ApproverDiffers, &s.ApproverChosen,
				&s.Switches.EmailNotifications, &s.Switches.LowStockAlerts, &s.Switches.SalesUpdates, &s.Switches.SystemUpdates, &s.Switches.MarketingEmails,
				&s.Switches.SMSNotifications, &s.Switches.PushNotifications, &s.Switches.ActivityReports, &start, &end); err != nil {
				return err
			}
			if start != nil && end != nil {
				s.Quiet = &QuietHours{Start: *start, End: *end}
			}
			all[s.Tenant] = s
		}
		return rows.Err()
	}, `select tenant_id, currency, timezone, language, receipt_header, receipt_footer, receipt_taxes, receipt_barcode, receipt_paper, sales_tax_bp, reorder_level,
	        separate_approver, separate_approver_chosen, email_notifications, low_stock_alerts, sales_updates, system_updates, marketing_emails, sms_notifications, push_notifications, activity_reports,
	        to_char(quiet_start, 'HH24:MI'), to_char(quiet_end, 'HH24:MI')
	   from accounts.v_settings where tenant_id = any ($1::uuid[])`, tenants)
	if err != nil {
		return nil, fmt.Errorf("read settings of %d businesses: %w", len(tenants), err)
	}
	return all, nil
}

// SettingsOfBusiness reads the settings of one business. Errors: ErrNotMember when tx does not see it.
func SettingsOfBusiness(tx *gorm.DB, business uuid.UUID) (Settings, error) {
	all, err := SettingsOf(tx, []uuid.UUID{business})
	if err != nil {
		return Settings{}, err
	}
	s, ok := all[business]
	if !ok {
		return Settings{}, ErrNotMember
	}
	return s, nil
}

// ChangeSettings changes settings of who's business and writes down what was changed. unchanged, when not nil, is asked whether the version that is about to be changed is
// the one that the client has seen. Errors: ErrSettingsTimezone, ErrSettingsCurrency, ErrQuietHours; ErrSettingsChanged; ErrNotMember when the business is gone.
func ChangeSettings(tx *gorm.DB, who Principal, c SettingsChange, client Client, unchanged func(version string) bool) (Settings, error) {
	if err := c.normalize(); err != nil {
		return Settings{}, err
	}
	return alterSettings(tx, who, audit.Update, client, unchanged, func() error {
		if c.Currency != nil || c.Timezone != nil {
			if _, err := postgres.Exec(tx, `update accounts.business set currency = coalesce($2, currency), timezone = coalesce($3, timezone), updated_at = now() where id = $1`,
				who.Tenant, c.Currency, c.Timezone); err != nil {
				return err
			}
		}
		var approver *bool
		if c.Approver != nil {
			approver = *c.Approver
		}
		var quiet struct{ start, end *string }
		if c.Quiet != nil && *c.Quiet != nil {
			quiet.start, quiet.end = &(*c.Quiet).Start, &(*c.Quiet).End
		}
		_, err := postgres.Exec(tx, `
			update accounts.business_settings set language = coalesce($2, language),
			       receipt_header = coalesce($3, receipt_header), receipt_footer = coalesce($4, receipt_footer), receipt_paper = coalesce($5, receipt_paper),
			       receipt_taxes = coalesce($6, receipt_taxes), receipt_barcode = coalesce($7, receipt_barcode),
			       sales_tax_bp = coalesce($8, sales_tax_bp), reorder_level = coalesce($9, reorder_level), separate_approver = case when $10 then $11 else separate_approver end,
			       email_notifications = coalesce($12, email_notifications), low_stock_alerts = coalesce($13, low_stock_alerts), sales_updates = coalesce($14, sales_updates),
			       system_updates = coalesce($15, system_updates), marketing_emails = coalesce($16, marketing_emails), sms_notifications = coalesce($17, sms_notifications),
			       push_notifications = coalesce($18, push_notifications), activity_reports = coalesce($22, activity_reports),
			       quiet_start = case when $19 then $20::text::time else quiet_start end, quiet_end = case when $19 then $21::text::time else quiet_end end, updated_at = now()
			 where tenant_id = $1`,
			who.Tenant, c.Language, c.ReceiptHeader, c.ReceiptFooter, c.ReceiptPaper, c.ReceiptTaxes, c.ReceiptBarcode, c.SalesTaxBP, c.ReorderLevel, c.Approver != nil, approver,
			c.EmailNotifications, c.LowStockAlerts, c.SalesUpdates, c.SystemUpdates, c.MarketingEmails, c.SMSNotifications, c.PushNotifications, c.Quiet != nil, quiet.start, quiet.end,
			c.ActivityReports)
		return err
	})
}

// ResetSettings makes every setting of who's business what it is for a new one, and writes down what was changed. Errors: ErrNotMember when the business is gone.
func ResetSettings(tx *gorm.DB, who Principal, client Client) (Settings, error) {
	return alterSettings(tx, who, "settings.reset", client, nil, func() error {
		if _, err := postgres.Exec(tx, `update accounts.business set currency = default, timezone = default, updated_at = now() where id = $1`, who.Tenant); err != nil {
			return err
		}
		_, err := postgres.Exec(tx, `
			update accounts.business_settings set language = default, receipt_header = default, receipt_footer = default, receipt_taxes = default, receipt_barcode = default,
			       receipt_paper = default, sales_tax_bp = default, reorder_level = default, separate_approver = default, email_notifications = default, low_stock_alerts = default,
			       sales_updates = default, system_updates = default, marketing_emails = default, sms_notifications = default, push_notifications = default,
			       activity_reports = default, quiet_start = default, quiet_end = default, updated_at = now()
			 where tenant_id = $1`, who.Tenant)
		return err
	})
}

// alterSettings runs change on the locked settings, and records what it changed under the action.
func alterSettings(tx *gorm.DB, who Principal, action string, client Client, unchanged func(version string) bool, change func() error) (Settings, error) {
	// The business first, as in setDetails, whose change of the time zone is one of the settings.
	if _, err := postgres.Exec(tx, `select from accounts.business where id = $1 for update`, who.Tenant); err != nil {
		return Settings{}, fmt.Errorf("lock settings: %w", err)
	}
	before, err := SettingsOfBusiness(tx, who.Tenant)
	switch {
	case err != nil:
		return Settings{}, err
	case unchanged != nil && !unchanged(before.Version()):
		return Settings{}, ErrSettingsChanged
	}
	if err := change(); err != nil {
		return Settings{}, fmt.Errorf("change settings: %w", err)
	}
	after, err := SettingsOfBusiness(tx, who.Tenant)
	if err != nil {
		return Settings{}, err
	}
	changes, now := map[string][2]any{}, after.values()
	for name, was := range before.values() {
		if was != now[name] {
			changes[name] = [2]any{was, now[name]}
		}
	}
	if len(changes) == 0 {
		return after, nil
	}
	return after, audit.Record(tx, who.entry(client, audit.Entry{Action: action, Entity: "settings", EntityID: who.Tenant.String(), Changes: changes}))
}

// normalize trims texts and checks what a description of the API cannot.
func (c *SettingsChange) normalize() error {
	for _, text := range []**string{&c.Currency, &c.Timezone, &c.ReceiptHeader, &c.ReceiptFooter} {
		if *text != nil {
			trimmed := strings.TrimSpace(**text)
			*text = &trimmed
		}
	}
	if c.Currency != nil {
		if _, err := money.ParseCurrency(*c.Currency); err != nil {
			return ErrSettingsCurrency
		}
	}
	if c.Timezone != nil && !knownZone(*c.Timezone) {
		return ErrSettingsTimezone
	}
	if c.Quiet == nil || *c.Quiet == nil {
		return nil
	}
	for _, t := range []string{(*c.Quiet).Start, (*c.Quiet).End} {
		if _, err := time.Parse("15:04", t); err != nil || len(t) != len("15:04") {
			return ErrQuietHours
		}
	}
	if (*c.Quiet).Start == (*c.Quiet).End {
		return ErrQuietHours
	}
	return nil
}

// knownZone reports whether name is an IANA time zone. "Local" is the server's and nobody else's.
func knownZone(name string) bool {
	if name == "" || name == "Local" {
		return false
	}
	_, err := time.LoadLocation(name)
	return err == nil
}
