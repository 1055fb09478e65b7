package tasks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/inventory"
	"makola/pkg/money"
	"makola/pkg/notifications"
	"makola/pkg/task"
	inventorypb "makola/proto/makola/inventory/v1"
)

// defaultReportDays is a week, which the schedule's name promises.
const defaultReportDays = 7

// SendStockMovementReport tells an owner what moved in the last days.
// SHORT: three statements, however much moved.
func (i *Inventory) SendStockMovementReport(ctx context.Context, tx *gorm.DB, args *inventorypb.SendStockMovementReportArgs) (*inventorypb.SendStockMovementReportResult, error) {
	days := defaultReportDays
	if args.PeriodDays != nil {
		days = int(args.GetPeriodDays())
	}
	if days < 1 || days > 366 {
		return nil, task.Permanent(errors.New("period_days must be from 1 to 366"))
	}
	all, err := forAll(ctx, args.BusinessId)
	if err != nil {
		return nil, err
	}
	if all {
		n, err := task.Each(ctx, tx, i.Tasks.SendStockMovementReport, func(business uuid.UUID) *inventorypb.SendStockMovementReportArgs {
			id := business.String()
			return &inventorypb.SendStockMovementReportArgs{BusinessId: &id, PeriodDays: args.PeriodDays}
		}, task.EachWeekAt(time.Monday, expiryHour))
		return &inventorypb.SendStockMovementReportResult{Status: fannedOut, Businesses: int32(n)}, err
	}
	ctx, tx, business, active, err := task.ForActiveBusiness(ctx, tx, args.GetBusinessId())
	if err != nil || !active {
		return &inventorypb.SendStockMovementReportResult{Status: inactive}, err
	}
	report, err := inventory.MovementReportOf(tx, days, time.Now())
	if err != nil {
		return nil, fmt.Errorf("send stock movement report: %w", err)
	}
	result := &inventorypb.SendStockMovementReportResult{Status: "no_data", Sales: report.Now.Sales, UnitsSold: report.Now.UnitsSold, Currency: string(report.Currency),
		Revenue: money.Amount{Minor: report.Now.RevenueMinor, Currency: report.Currency}.Decimal()}
	if report.Now.Empty() {
		return result, nil
	}
	people, err := inventory.Recipients(tx)
	if err != nil {
		return nil, fmt.Errorf("send stock movement report: %w", err)
	}
	if len(people) == 0 || !people[0].Owner {
		result.Status = noRecipient
		return result, nil
	}
	owner := people[0]
	// One mail for a period, whoever asks for it how often.
	key := fmt.Sprintf("movement:%s:%d", report.To.Format(time.DateOnly), days)
	n, err := queue(ctx, tx, i.Mail, []notifications.Email{{Tenant: business, Key: key, To: owner.Email, Content: movementMail(owner, report, days)}})
	if err != nil {
		return nil, fmt.Errorf("send stock movement report: %w", err)
	}
	result.Status, result.Recipient = "already_sent", owner.Email
	if n > 0 {
		result.Status = sent
	}
	return result, nil
}

func movementMail(p inventory.Recipient, r *inventory.MovementReport, days int) notifications.StockMovement {
	m := notifications.StockMovement{Name: p.Name, Business: p.Business, Currency: r.Currency, From: r.From.Format(time.DateOnly), To: r.To.Format(time.DateOnly), Days: days,
		Now: flowMail(r.Now), Before: flowMail(r.Before)}
	for _, t := range r.Top {
		m.Top = append(m.Top, notifications.Seller{Product: t.Product, SKU: t.SKU, Units: t.Units, UnitsBefore: t.UnitsBefore, Sales: t.Sales, RevenueMinor: t.RevenueMinor})
	}
	return m
}

func flowMail(f inventory.Flow) notifications.Flow {
	return notifications.Flow{Sales: f.Sales, UnitsSold: f.UnitsSold, RevenueMinor: f.RevenueMinor, Received: f.Received, Returned: f.Returned, TransferredOut: f.TransferredOut,
		AdjustedUp: f.AdjustedUp, AdjustedDown: f.AdjustedDown, LostUnits: f.LostUnits, LostMinor: f.LostMinor}
}
