package api

import (
	"context"
	"encoding/json"
	"fmt"

	"gorm.io/gorm"

	"makola/pkg/accounts"
	"makola/pkg/reporting"
	"makola/services/api-gateway/internal/api/gen"
	"makola/services/api-gateway/internal/auth"
)

// GetSettings shows a member what their business has chosen.
func (s *Server) GetSettings(ctx context.Context, _ gen.GetSettingsRequestObject) (gen.GetSettingsResponseObject, error) {
	var now accounts.Settings
	err := s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		now, err = accounts.SettingsOfBusiness(tx, auth.From(ctx).Tenant)
		return err
	})
	if err != nil {
		return nil, err
	}
	return gen.GetSettings200JSONResponse{Body: settingsBody(now), Headers: gen.GetSettings200ResponseHeaders{ETag: settingsTag(now)}}, nil
}

// ChangeSettings changes what a business has chosen.
func (s *Server) ChangeSettings(ctx context.Context, req gen.ChangeSettingsRequestObject) (gen.ChangeSettingsResponseObject, error) {
	change, err := settingsChange(req.Body)
	if err != nil {
		return nil, err
	}
	var unchanged func(string) bool
	if req.Params.IfMatch != nil {
		unchanged = func(version string) bool { return matches(*req.Params.IfMatch, `"`+version+`"`) }
	}
	var now accounts.Settings
	err = s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		if now, err = accounts.ChangeSettings(tx, auth.From(ctx), change, clientOf(ctx), unchanged); err != nil || change.Timezone == nil {
			return err
		}
		return reporting.Reschedule(tx) // what runs at two o'clock does so by the new clock
	})
	if err != nil {
		return nil, fmt.Errorf("change settings: %w", err)
	}
	return gen.ChangeSettings200JSONResponse{Body: settingsBody(now), Headers: gen.ChangeSettings200ResponseHeaders{ETag: settingsTag(now)}}, nil
}

// ResetSettings makes a business's settings those of a new one.
func (s *Server) ResetSettings(ctx context.Context, _ gen.ResetSettingsRequestObject) (gen.ResetSettingsResponseObject, error) {
	var now accounts.Settings
	err := s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		if now, err = accounts.ResetSettings(tx, auth.From(ctx), clientOf(ctx)); err != nil {
			return err
		}
		return reporting.Reschedule(tx)
	})
	if err != nil {
		return nil, fmt.Errorf("reset settings: %w", err)
	}
	return gen.ResetSettings200JSONResponse{Body: settingsBody(now), Headers: gen.ResetSettings200ResponseHeaders{ETag: settingsTag(now)}}, nil
}

func settingsTag(s accounts.Settings) *string {
	tag := `"` + s.Version() + `"`
	return &tag
}

// settingsChange reads a request whose shape openapi.yaml has checked. Two members tell null from absent, so they come as they were written.
func settingsChange(b *gen.SettingsChangeRequest) (c accounts.SettingsChange, err error) {
	if r := b.Regional; r != nil {
		c.Currency, c.Timezone = r.Currency, r.Timezone
		if r.Language != nil {
			language := string(*r.Language)
			c.Language = &language
		}
	}
	if r := b.Receipt; r != nil {
		c.ReceiptHeader, c.ReceiptFooter, c.ReceiptTaxes, c.ReceiptBarcode = r.Header, r.Footer, r.ShowTaxes, r.Barcode
		if r.Paper != nil {
			paper := string(*r.Paper)
			c.ReceiptPaper = &paper
		}
	}
	if b.Sales != nil {
		c.SalesTaxBP = b.Sales.DefaultTaxRateBp
	}
	if i := b.Inventory; i != nil {
		c.ReorderLevel = i.DefaultReorderLevel
		if c.Approver, err = written[bool](i.SeparateApprover); err != nil {
			return c, fmt.Errorf("read separate_approver: %w", err)
		}
	}
	if n := b.Notifications; n != nil {
		c.EmailNotifications, c.LowStockAlerts, c.SalesUpdates, c.SystemUpdates = n.EmailNotifications, n.LowStockAlerts, n.SalesUpdates, n.SystemUpdates
		c.MarketingEmails, c.SMSNotifications, c.PushNotifications = n.MarketingEmails, n.SmsNotifications, n.PushNotifications
		c.ActivityReports = n.ActivityReports
		quiet, err := written[gen.QuietHours](n.QuietHours)
		if err != nil {
			return c, fmt.Errorf("read quiet_hours: %w", err)
		}
		if quiet != nil {
			var hours *accounts.QuietHours
			if *quiet != nil {
				hours = &accounts.QuietHours{Start: (*quiet).Start, End: (*quiet).End}
			}
			c.Quiet = &hours
		}
	}
	return c, nil
}

// written reads a member that may be absent (nil), null (a pointer to nil) or a value.
func written[T any](raw json.RawMessage) (**T, error) {
	if raw == nil {
		return nil, nil //nolint:nilnil // absent is no error
	}
	var v *T
	if err := json.Unmarshal(raw, &v); err != nil {
		return nil, err
	}
	return &v, nil
}

func settingsBody(s accounts.Settings) (b gen.Settings) {
	b.Regional.Currency, b.Regional.Timezone, b.Regional.Language = s.Currency, s.Timezone, gen.SettingsRegionalLanguage(s.Language)
	b.Receipt.Header, b.Receipt.Footer, b.Receipt.Paper = s.ReceiptHeader, s.ReceiptFooter, gen.SettingsReceiptPaper(s.ReceiptPaper)
	b.Receipt.ShowTaxes, b.Receipt.Barcode = s.ReceiptTaxes, s.ReceiptBarcode
	b.Sales.DefaultTaxRateBp = s.SalesTaxBP
	b.Inventory.DefaultReorderLevel, b.Inventory.SeparateApprover, b.Inventory.SeparateApproverEffective = s.ReorderLevel, s.ApproverChosen, s.ApproverDiffers
	n := &b.Notifications
	n.EmailNotifications, n.LowStockAlerts, n.SalesUpdates, n.SystemUpdates = s.Switches.EmailNotifications, s.Switches.LowStockAlerts, s.Switches.SalesUpdates, s.Switches.SystemUpdates
	n.MarketingEmails, n.SmsNotifications, n.PushNotifications = s.Switches.MarketingEmails, s.Switches.SMSNotifications, s.Switches.PushNotifications
	n.ActivityReports = s.Switches.ActivityReports
	if s.Quiet != nil {
		n.QuietHours = &gen.QuietHours{Start: s.Quiet.Start, End: s.Quiet.End}
	}
	return b
}
