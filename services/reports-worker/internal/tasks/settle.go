package tasks

import (
	"context"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/postgres"
	"makola/pkg/reporting"
	"makola/pkg/tenant"
)

// settle writes into reports that their tasks have ended without them, and tells of those that failed: a worker that was killed could tell nobody. tx must be a platform transaction. Of two
// who settle at once, one tells. It returns how many it settled.
func (r *Reports) settle(ctx context.Context, tx *gorm.DB) (n int64, err error) {
	list, err := reporting.Unsettled(tx)
	if err != nil {
		return 0, err
	}
	for _, o := range list {
		if err := postgres.BindTenants(tx, []uuid.UUID{o.Tenant}); err != nil {
			return n, err
		}
		bound := tenant.With(ctx, o.Tenant)
		own := tx.WithContext(tenant.With(tx.Statement.Context, o.Tenant)) //nolint:contextcheck // the transaction's own, and the business with it
		report, err := reporting.Settle(own, o.ID)
		if err != nil {
			return n, err
		}
		if report == nil {
			continue
		}
		n++
		if report.Status != reporting.Failed {
			continue
		}
		if err := r.tellOf(bound, own, o.Tenant, report); err != nil {
			return n, err
		}
	}
	return n, nil
}

// tellOf tells that there will be no such report, as the worker does that fails of it.
func (r *Reports) tellOf(ctx context.Context, tx *gorm.DB, business uuid.UUID, report *reporting.Report) error {
	if report.Schedule == uuid.Nil {
		return r.tellFailed(ctx, tx, business, report)
	}
	e := &export{Reports: r, business: business, id: report.Schedule}
	return e.failed(ctx, tx, report, report.Failure)
}
