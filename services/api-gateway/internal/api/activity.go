package api

import (
	"context"

	"github.com/oapi-codegen/runtime/types"
	"gorm.io/gorm"

	"makola/pkg/accounts"
	"makola/services/api-gateway/internal/api/gen"
)

// ListActivityReports pages through what people did in a business, week by week.
func (s *Server) ListActivityReports(ctx context.Context, req gen.ListActivityReportsRequestObject) (gen.ListActivityReportsResponseObject, error) {
	before, _, err := decodeCursor(cursorActivity, req.Params.Cursor)
	if err != nil {
		return nil, err
	}
	limit := pageSize(req.Params.Limit)
	var reports []accounts.Activity
	err = s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		reports, err = accounts.ListActivity(tx, before, limit)
		return err
	})
	if err != nil {
		return nil, err
	}
	page := gen.ActivityReportPage{Items: []gen.ActivityReport{}}
	if len(reports) == limit {
		page.NextCursor = encodeCursor(cursorActivity, reports[limit-1].ID, 0)
	}
	for _, a := range reports {
		page.Items = append(page.Items, gen.ActivityReport{
			ID: a.ID, WeekStart: types.Date{Time: a.Week}, Logins: a.Logins, Logouts: a.Logouts, People: a.People, Actions: a.Actions, ByAction: a.ByAction, CreatedAt: a.CreatedAt.UTC(),
		})
	}
	return gen.ListActivityReports200JSONResponse(page), nil
}
