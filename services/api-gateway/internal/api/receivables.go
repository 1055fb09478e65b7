package api

import (
	"context"

	"github.com/google/uuid"
	"github.com/oapi-codegen/runtime/types"

	"makola/pkg/sales"
	"makola/services/api-gateway/internal/api/gen"
)

// ListReceivables pages through what customers owe.
func (s *Server) ListReceivables(ctx context.Context, req gen.ListReceivablesRequestObject) (gen.ListReceivablesResponseObject, error) {
	q := req.Params
	before, _, err := decodeCursor(cursorReceivables, q.Cursor)
	if err != nil {
		return nil, err
	}
	f := sales.ReceivableFilter{
		Before: before, Limit: pageSize(q.Limit), Customer: q.CustomerID, Status: (*sales.ReceivableStatus)(q.Status), Ageing: (*sales.Ageing)(q.Ageing), Overdue: q.Overdue,
	}
	page := gen.ReceivablePage{Items: []gen.Receivable{}}
	err = s.atTill(ctx, func(t *till) error {
		clock, err := t.business()
		if err != nil {
			return err
		}
		f.Scope = t.who.Scope
		list, err := sales.ListReceivables(t.tx, f, clock, t.now)
		if err != nil {
			return err
		}
		if len(list) == f.Limit {
			page.NextCursor = encodeCursor(cursorReceivables, list[f.Limit-1].ID, 0)
		}
		for _, r := range list {
			days, bucket := clock.Age(r.SoldAt, t.now)
			page.Items = append(page.Items, gen.Receivable{
				ID: r.ID, SaleID: r.Sale, ReceiptNumber: r.Receipt, StorefrontID: r.Storefront, CustomerID: r.Customer, CustomerName: r.CustomerName, Currency: string(r.Currency),
				Original: r.Amount(r.Original).Decimal(), Paid: r.Amount(r.Paid).Decimal(), Returned: r.Amount(r.Returned).Decimal(), Outstanding: r.Amount(r.Outstanding).Decimal(),
				Status: gen.ReceivableStatus(r.Status), DueDate: types.Date{Time: r.DueDate}, Overdue: r.Outstanding > 0 && clock.Overdue(r.DueDate, t.now), SoldAt: r.SoldAt.UTC(),
				Days: int64(days), Ageing: gen.ReceivableAgeing(bucket),
			})
		}
		a, err := sales.SumReceivables(t.tx, f.Scope, clock, t.now)
		m := func(minor int64) string { return a.Amount(minor).Decimal() }
		page.Open = gen.AgeingSums{
			Currency: string(a.Currency), Count: a.Count, Total: m(a.Total), Overdue: m(a.Overdue),
			Current: m(a.By[sales.AgeCurrent]), Days30: m(a.By[sales.Age30]), Days60: m(a.By[sales.Age60]), Days90Plus: m(a.By[sales.Age90]),
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return gen.ListReceivables200JSONResponse(page), nil
}

// GetSalesSummary sums the sales and payments of some days.
func (s *Server) GetSalesSummary(ctx context.Context, req gen.GetSalesSummaryRequestObject) (gen.GetSalesSummaryResponseObject, error) {
	body, err := s.summarize(ctx, req.Params.From, req.Params.To, req.Params.StorefrontID)
	return gen.GetSalesSummary200JSONResponse(body), err
}

// GetSalesToday sums the sales and payments of today.
func (s *Server) GetSalesToday(ctx context.Context, req gen.GetSalesTodayRequestObject) (gen.GetSalesTodayResponseObject, error) {
	body, err := s.summarize(ctx, nil, nil, req.Params.StorefrontID)
	return gen.GetSalesToday200JSONResponse(body), err
}

func (s *Server) summarize(ctx context.Context, first, last *types.Date, storefront *uuid.UUID) (body gen.SalesSummary, err error) {
	var sum *sales.Summary
	err = s.atTill(ctx, func(t *till) error {
		clock, err := t.business()
		if err != nil {
			return err
		}
		today := types.Date{Time: clock.Today(t.now)}
		if first == nil && last == nil {
			first = &today
		}
		if last == nil {
			last = &today
		}
		if first == nil {
			return parameterProblem("from", "required", "must be there beside to")
		}
		from, to, err := days(clock, first, last)
		if err != nil {
			return err
		}
		sum, err = sales.Summarize(t.tx, t.who.Scope, storefront, clock, *from, *to)
		return err
	})
	if err != nil {
		return body, err
	}
	return summaryBody(sum), nil
}

func summaryBody(s *sales.Summary) gen.SalesSummary {
	m := func(minor int64) string { return s.Amount(minor).Decimal() }
	sums := func(x sales.Sums) gen.SalesSums {
		return gen.SalesSums{
			Count: x.Count, Total: m(x.Total), Discount: m(x.Discount), Tax: m(x.Tax), Returned: m(x.Returned), Net: m(x.Net), Due: m(x.Due), Profit: m(x.Profit),
		}
	}
	body := gen.SalesSummary{
		Currency: string(s.Currency), From: s.From.UTC(), To: s.To.UTC(), Totals: sums(s.All), CashOnHand: m(s.CashOnHand),
		ByStatus: []gen.StatusSum{}, ByStorefront: []gen.StorefrontSum{}, ByMethod: []gen.MethodSum{},
	}
	for _, c := range s.Statuses {
		body.ByStatus = append(body.ByStatus, gen.StatusSum{Status: gen.SaleStatus(c.Status), Count: c.Count, Total: m(c.Total)})
	}
	for _, p := range s.Storefronts {
		body.ByStorefront = append(body.ByStorefront, gen.StorefrontSum{StorefrontID: p.Storefront, StorefrontName: p.Name, Totals: sums(p.Sums)})
	}
	for _, x := range s.Methods {
		body.ByMethod = append(body.ByMethod, gen.MethodSum{Method: x.Method, Payments: x.Count, Received: m(x.In), Refunds: x.Back, PaidBack: m(x.Out)})
	}
	return body
}
