package api

import (
	"context"

	"gorm.io/gorm"

	"makola/pkg/audit"
	"makola/services/api-gateway/internal/api/gen"
)

// ListAuditLogs pages through what was done in a business.
func (s *Server) ListAuditLogs(ctx context.Context, req gen.ListAuditLogsRequestObject) (gen.ListAuditLogsResponseObject, error) {
	before, _, err := decodeCursor(cursorAudit, req.Params.Cursor)
	if err != nil {
		return nil, err
	}
	f := audit.Filter{Before: before, Limit: pageSize(req.Params.Limit), From: req.Params.From, To: req.Params.To, User: req.Params.User, Action: req.Params.Action, Entity: req.Params.Entity}
	var log []audit.Recorded
	err = s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		log, err = audit.List(tx, f)
		return err
	})
	if err != nil {
		return nil, err
	}
	page := gen.AuditPage{Items: []gen.AuditEntry{}}
	if len(log) == f.Limit {
		page.NextCursor = encodeCursor(cursorAudit, log[f.Limit-1].ID, 0)
	}
	for _, e := range log {
		page.Items = append(page.Items, gen.AuditEntry{
			ID: e.ID, At: e.At.UTC(), UserID: e.User, Actor: e.Actor, Action: e.Action, Entity: e.Entity, EntityID: e.EntityID, Changes: e.Changes, IP: e.IP, UserAgent: e.UserAgent,
		})
	}
	return gen.ListAuditLogs200JSONResponse(page), nil
}
