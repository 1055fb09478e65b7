package api

import (
	"context"
	"fmt"

	"gorm.io/gorm"

	"makola/pkg/audit"
	"makola/pkg/notifications"
	"makola/pkg/reporting"
	"makola/services/api-gateway/internal/api/gen"
)

// GetExportSettings shows who is told of exports.
func (s *Server) GetExportSettings(ctx context.Context, _ gen.GetExportSettingsRequestObject) (gen.GetExportSettingsResponseObject, error) {
	var now reporting.ExportSettings
	err := s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		now, err = reporting.ExportSettingsOf(tx)
		return err
	})
	return gen.GetExportSettings200JSONResponse(exportSettingsBody(now)), err
}

// PutExportSettings changes who is told of exports.
func (s *Server) PutExportSettings(ctx context.Context, req gen.PutExportSettingsRequestObject) (gen.PutExportSettingsResponseObject, error) {
	b := req.Body
	var now reporting.ExportSettings
	err := s.atTill(ctx, func(t *till) (err error) {
		before, err := reporting.ExportSettingsOf(t.tx)
		if err != nil {
			return err
		}
		now, err = reporting.PutExportSettings(t.tx, reporting.ExportSettings{OnSuccess: b.NotifyOnSuccess, OnFailure: b.NotifyOnFailure, Defaults: b.DefaultRecipients, FromName: b.FromName, ReplyTo: b.ReplyTo})
		if err != nil {
			return err
		}
		if err := notifications.TryAgain(t.tx, t.who.Entry.Tenant, added(before.Defaults, now.Defaults)); err != nil {
			return err
		}
		entry := t.who.Entry
		entry.Action, entry.Entity = audit.Update, "export_settings"
		entry.Changes = map[string]any{"settings": []any{exportSettingsBody(before), exportSettingsBody(now)}}
		return audit.Record(t.tx, entry)
	})
	if err != nil {
		return nil, fmt.Errorf("change export settings: %w", err)
	}
	return gen.PutExportSettings200JSONResponse(exportSettingsBody(now)), nil
}

func exportSettingsBody(s reporting.ExportSettings) gen.ExportSettings {
	return gen.ExportSettings{NotifyOnSuccess: s.OnSuccess, NotifyOnFailure: s.OnFailure, DefaultRecipients: s.Defaults, FromName: s.FromName, ReplyTo: s.ReplyTo}
}
