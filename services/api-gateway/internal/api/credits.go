package api

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/money"
	"makola/services/api-gateway/internal/api/gen"
)

// ListCreditPackages prices the packages with today's taxes.
func (s *Server) ListCreditPackages(ctx context.Context, _ gen.ListCreditPackagesRequestObject) (gen.ListCreditPackagesResponseObject, error) {
	var quotes []billing.Quote
	err := s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		quotes, err = billing.PackagesOn(tx, time.Now().UTC())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list packages: %w", err)
	}
	list := gen.PackageList{Items: []gen.Package{}, Custom: gen.CustomPackage{
		MinAmount: money.FromMinor(billing.MinCustomMinor, money.GHS).Decimal(), MaxAmount: money.FromMinor(billing.MaxCustomMinor, money.GHS).Decimal(),
		Currency: string(money.GHS),
	}}
	for _, q := range quotes {
		list.Items = append(list.Items, gen.Package{
			Package: q.Package, BaseAmount: q.Base.Decimal(), Taxes: taxBodies(q.Taxes), TotalTax: q.Tax.Decimal(), TotalAmount: q.Total.Decimal(),
			Currency: string(q.Total.Currency), Credits: q.Credits.String(), BonusCredits: q.Bonus.String(),
		})
	}
	return gen.ListCreditPackages200JSONResponse(list), nil
}

// GetCreditBalance tells what may be spent, now or at a past instant.
func (s *Server) GetCreditBalance(ctx context.Context, req gen.GetCreditBalanceRequestObject) (gen.GetCreditBalanceResponseObject, error) {
	at, err := instant(req.Params.At)
	if err != nil {
		return nil, err
	}
	var credits *billing.Credits
	err = s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		if at.IsZero() {
			credits, err = billing.Balance(tx)
		} else {
			credits, err = billing.BalanceAt(tx, at)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read balance: %w", err)
	}
	b := gen.Balance{Balance: credits.Total.String(), Held: credits.Held.String(), LedgerBalance: credits.Ledger.String(), AsOf: credits.At, Low: credits.Low, Lots: []gen.Lot{}}
	for _, l := range credits.Lots {
		b.Lots = append(b.Lots, gen.Lot{
			ID: l.ID, Source: gen.LotSource(l.Source), Granted: l.Granted.String(), Remaining: l.Remaining.String(), Held: l.Held.String(), ExpiresAt: l.ExpiresAt.UTC(),
		})
	}
	return gen.GetCreditBalance200JSONResponse(b), nil
}

// ListCreditLedger pages through every change of the balance.
func (s *Server) ListCreditLedger(ctx context.Context, req gen.ListCreditLedgerRequestObject) (gen.ListCreditLedgerResponseObject, error) {
	transfer, line, err := decodeCursor(cursorLedger, req.Params.Cursor)
	if err != nil {
		return nil, err
	}
	until, err := instant(req.Params.At)
	if err != nil {
		return nil, err
	}
	var (
		lines []billing.LedgerLine
		next  *billing.LedgerCursor
	)
	err = s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		lines, next, err = billing.Ledger(tx, billing.LedgerCursor{Transfer: transfer, Line: line}, until, pageSize(req.Params.Limit))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list ledger: %w", err)
	}
	page := gen.LedgerPage{Items: []gen.LedgerEntry{}}
	if next != nil {
		page.NextCursor = encodeCursor(cursorLedger, next.Transfer, next.Line)
	}
	for _, l := range lines {
		page.Items = append(page.Items, gen.LedgerEntry{
			TransferID: l.Transfer, Line: l.Line, Kind: gen.LedgerEntryKind(l.Kind), Source: gen.LedgerEntrySource(l.Source), Reference: l.Reference,
			LotID: l.Lot, Delta: l.Delta.String(), CreatedAt: l.At.UTC(),
		})
	}
	return gen.ListCreditLedger200JSONResponse(page), nil
}

// instant is the past instant that a client asks about; the zero time is now.
func instant(at *gen.At) (time.Time, error) {
	if at == nil {
		return time.Time{}, nil
	}
	if at.After(time.Now().Add(time.Minute)) { // clocks differ a little
		return time.Time{}, parameterProblem("at", "in_the_future", "must be a past instant")
	}
	return *at, nil
}

func taxBodies(lines []billing.TaxLine) []gen.Tax {
	taxes := []gen.Tax{}
	for _, t := range lines {
		taxes = append(taxes, gen.Tax{Code: t.Code, Name: t.Name, RatePercent: percent(t.BasisPoints), Amount: t.Amount.Decimal()})
	}
	return taxes
}

// percent writes basis points as percent: 250 is "2.50".
func percent(basisPoints int64) string {
	return fmt.Sprintf("%d.%02d", basisPoints/100, basisPoints%100)
}
