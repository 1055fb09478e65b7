package api

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/oapi-codegen/runtime/types"
	"gorm.io/gorm"

	"makola/pkg/inventory"
	"makola/pkg/task"
	inventorypb "makola/proto/makola/inventory/v1"
	"makola/services/api-gateway/internal/api/gen"
	"makola/services/api-gateway/internal/auth"
	"makola/services/api-gateway/internal/once"
)

// ListStockAlerts pages through the alerts of a business.
func (s *Server) ListStockAlerts(ctx context.Context, req gen.ListStockAlertsRequestObject) (gen.ListStockAlertsResponseObject, error) {
	p := req.Params
	before, _, err := decodeCursor(cursorAlerts, p.Cursor)
	if err != nil {
		return nil, err
	}
	limit := pageSize(p.Limit)
	f := inventory.AlertFilter{Ended: value(p.Ended), Type: inventory.AlertType(value(p.Type)), Product: value(p.ProductID), Location: value(p.LocationID)}
	var list []inventory.Alert
	err = s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		list, err = inventory.Alerts(tx, f, before, limit)
		return err
	})
	if err != nil {
		return nil, err
	}
	page := gen.StockAlertPage{Items: []gen.StockAlert{}}
	if len(list) == limit {
		page.NextCursor = encodeCursor(cursorAlerts, list[limit-1].ID, 0)
	}
	for i := range list {
		page.Items = append(page.Items, alertBody(&list[i]))
	}
	return gen.ListStockAlerts200JSONResponse(page), nil
}

// AcknowledgeStockAlert records that somebody has seen to an alert.
func (s *Server) AcknowledgeStockAlert(ctx context.Context, req gen.AcknowledgeStockAlertRequestObject) (gen.AcknowledgeStockAlertResponseObject, error) {
	body, err := s.changeAlert(ctx, func(tx *gorm.DB) (*inventory.Alert, error) {
		return inventory.Acknowledge(tx, req.ID, auth.From(ctx).User)
	})
	return gen.AcknowledgeStockAlert200JSONResponse(body), err
}

// SnoozeStockAlert puts an alert off.
func (s *Server) SnoozeStockAlert(ctx context.Context, req gen.SnoozeStockAlertRequestObject) (gen.SnoozeStockAlertResponseObject, error) {
	body, err := s.changeAlert(ctx, func(tx *gorm.DB) (*inventory.Alert, error) {
		return inventory.Snooze(tx, req.ID, req.Body.Until, time.Now())
	})
	return gen.SnoozeStockAlert200JSONResponse(body), err
}

func (s *Server) changeAlert(ctx context.Context, change func(tx *gorm.DB) (*inventory.Alert, error)) (body gen.StockAlert, err error) {
	err = s.DB.InTenant(ctx, func(tx *gorm.DB) error {
		a, err := change(tx)
		if err == nil {
			body = alertBody(a)
		}
		return err
	})
	return body, err
}

// NotifyStockAlerts has the digest of what is low written now, of some products or of all that are due.
func (s *Server) NotifyStockAlerts(ctx context.Context, req gen.NotifyStockAlertsRequestObject) (gen.NotifyStockAlertsResponseObject, error) {
	who, claim := auth.From(ctx), once.From(ctx)
	business := who.Tenant.String()
	args := &inventorypb.SendLowStockAlertArgs{BusinessId: &business}
	ids := value(req.Body.ProductIds)
	for _, id := range ids {
		args.ProductIds = append(args.ProductIds, id.String())
	}
	asked := claim.Made()
	err := s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		if asked != uuid.Nil {
			return nil
		}
		if unknown, err := inventory.UnknownProducts(tx, ids); err != nil || len(unknown) > 0 {
			if err == nil {
				err = fieldProblem("product_ids", "unknown", "names a product that the business does not have")
			}
			return err
		}
		if asked, err = s.Inventory.SendLowStockAlert(ctx, tx, args, task.CreatedBy(who.User)); err != nil {
			return fmt.Errorf("enqueue low stock alert: %w", err)
		}
		return claim.Keep(tx, asked)
	})
	if err != nil {
		return nil, err
	}
	body := gen.TaskAccepted{TaskID: asked, StatusURL: "/api/v1/tasks/" + asked.String()}
	return gen.NotifyStockAlerts202JSONResponse{Body: body, Headers: gen.NotifyStockAlerts202ResponseHeaders{Location: &body.StatusURL, RetryAfter: &retrySeconds}}, nil
}

func alertBody(a *inventory.Alert) gen.StockAlert {
	body := gen.StockAlert{
		ID: a.ID, Type: gen.StockAlertType(a.Type), ProductID: a.Product, ProductName: a.ProductName, Sku: a.SKU, Unit: a.Unit, LocationID: a.Location, LocationName: a.LocationName,
		StockItemID: a.Item, OnHand: a.OnHand, Threshold: a.Threshold, OpenedAt: a.OpenedAt.UTC(), EndedAt: utc(a.ResolvedAt), NotifiedAt: utc(a.NotifiedAt),
		AcknowledgedAt: utc(a.AcknowledgedAt), AcknowledgedBy: a.AcknowledgedBy, SnoozedUntil: utc(a.SnoozedTil),
	}
	if a.ExpiryDate != nil {
		body.ExpiryDate = &types.Date{Time: *a.ExpiryDate}
	}
	return body
}
