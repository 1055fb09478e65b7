package api

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/oapi-codegen/runtime/types"

	"makola/pkg/money"
	"makola/pkg/sales"
	"makola/services/api-gateway/internal/api/gen"
	"makola/services/api-gateway/internal/once"
)

// ListSales pages through sales.
func (s *Server) ListSales(ctx context.Context, req gen.ListSalesRequestObject) (gen.ListSalesResponseObject, error) {
	q := req.Params
	before, _, err := decodeCursor(cursorSales, q.Cursor)
	if err != nil {
		return nil, err
	}
	f := sales.SaleFilter{
		Before: before, Limit: pageSize(q.Limit), Status: (*sales.Status)(q.Status), Storefront: q.StorefrontID, Customer: q.CustomerID, DueDays: q.DaysOutstanding, Receipt: value(q.ReceiptNumber),
	}
	var list []*sales.Sale
	err = s.atTill(ctx, func(t *till) error {
		clock, err := t.business()
		if err != nil {
			return err
		}
		if f.From, f.To, err = days(clock, q.From, q.To); err != nil {
			return err
		}
		if q.MinDue != nil {
			amount, err := money.Parse(*q.MinDue, clock.Currency())
			if err != nil {
				return parameterProblem("min_due", "invalid", "must be an amount in "+string(clock.Currency()))
			}
			f.MinDue = &amount.Minor
		}
		f.Scope = t.who.Scope
		list, err = sales.ListSales(t.tx, f, clock, t.now)
		return err
	})
	if err != nil {
		return nil, err
	}
	page := gen.SalePage{Items: []gen.SaleHead{}}
	if len(list) == f.Limit {
		page.NextCursor = encodeCursor(cursorSales, list[f.Limit-1].ID, 0)
	}
	for _, sale := range list {
		page.Items = append(page.Items, saleHead(sale))
	}
	return gen.ListSales200JSONResponse(page), nil
}

// days are the instants of the days from the first to the last, inclusive; nil is no bound.
func days(clock sales.Clock, first, last *types.Date) (from, to *time.Time, err error) {
	if first != nil && last != nil && last.Before(first.Time) {
		return nil, nil, parameterProblem("to", "before_from", "must not be before from")
	}
	if first != nil {
		at := clock.Midnight(first.Time)
		from = &at
	}
	if last != nil {
		at := clock.Midnight(last.AddDate(0, 0, 1))
		to = &at
	}
	return from, to, nil
}

// GetSale shows one sale.
func (s *Server) GetSale(ctx context.Context, req gen.GetSaleRequestObject) (gen.GetSaleResponseObject, error) {
	body, err := s.changeSale(ctx, func(t *till) (*sales.Sale, error) { return sales.SaleByID(t.tx, req.ID, t.who.Scope) })
	return gen.GetSale200JSONResponse(body), err
}

// changeSale does something with a sale, once for each Idempotency-Key.
func (s *Server) changeSale(ctx context.Context, change func(t *till) (*sales.Sale, error)) (body gen.Sale, err error) {
	claim := once.From(ctx)
	var sale *sales.Sale
	err = s.atTill(ctx, func(t *till) (err error) {
		if id := claim.Made(); id != uuid.Nil {
			sale, err = sales.SaleByID(t.tx, id, t.who.Scope)
			return err
		}
		if sale, err = change(t); err != nil {
			return err
		}
		return claim.Keep(t.tx, sale.ID)
	})
	if err != nil {
		return body, err
	}
	return saleBody(sale), nil
}

// CreateSale opens a cart.
func (s *Server) CreateSale(ctx context.Context, req gen.CreateSaleRequestObject) (gen.CreateSaleResponseObject, error) {
	n := sales.NewCart{Storefront: req.Body.StorefrontID, Customer: req.Body.CustomerID, Type: sales.Retail, Notes: value(req.Body.Notes)}
	if req.Body.Type != nil {
		n.Type = sales.Type(*req.Body.Type)
	}
	body, err := s.changeSale(ctx, func(t *till) (*sales.Sale, error) { return sales.Open(t.tx, t.who, n) })
	if err != nil {
		return nil, fmt.Errorf("open cart: %w", err)
	}
	return gen.CreateSale201JSONResponse(body), nil
}

// AddSaleItem puts a product into a cart.
func (s *Server) AddSaleItem(ctx context.Context, req gen.AddSaleItemRequestObject) (gen.AddSaleItemResponseObject, error) {
	body, err := s.changeSale(ctx, func(t *till) (*sales.Sale, error) {
		n, err := t.newItem(*req.Body)
		if err != nil {
			return nil, err
		}
		sale, _, err := sales.AddItem(t.tx, Shelf(), t.who, req.ID, n)
		return sale, err
	})
	if err != nil {
		return nil, fmt.Errorf("add line: %w", err)
	}
	return gen.AddSaleItem201JSONResponse(body), nil
}

func (t *till) newItem(b gen.SaleItemRequest) (n sales.NewItem, err error) {
	n = sales.NewItem{Product: b.ProductID, Quantity: b.Quantity}
	if n.Price, err = t.optionalMinor("unit_price", b.UnitPrice); err != nil {
		return n, err
	}
	discount, err := t.discount(b.Discount, b.DiscountPercent)
	n.Discount = value(discount)
	return n, err
}

// ChangeSaleItem changes a line of a cart.
func (s *Server) ChangeSaleItem(ctx context.Context, req gen.ChangeSaleItemRequestObject) (gen.ChangeSaleItemResponseObject, error) {
	body, err := s.changeSale(ctx, func(t *till) (_ *sales.Sale, err error) {
		c := sales.ItemChange{Quantity: req.Body.Quantity}
		if c.Price, err = t.optionalMinor("unit_price", req.Body.UnitPrice); err != nil {
			return nil, err
		}
		if c.Discount, err = t.discount(req.Body.Discount, req.Body.DiscountPercent); err != nil {
			return nil, err
		}
		return sales.ChangeItem(t.tx, Shelf(), t.who, req.ID, req.ItemID, c)
	})
	if err != nil {
		return nil, fmt.Errorf("change line: %w", err)
	}
	return gen.ChangeSaleItem200JSONResponse(body), nil
}

// RemoveSaleItem takes a line out of a cart.
func (s *Server) RemoveSaleItem(ctx context.Context, req gen.RemoveSaleItemRequestObject) (gen.RemoveSaleItemResponseObject, error) {
	body, err := s.changeSale(ctx, func(t *till) (*sales.Sale, error) {
		return sales.RemoveItem(t.tx, Shelf(), t.who, req.ID, req.ItemID)
	})
	if err != nil {
		return nil, fmt.Errorf("remove line: %w", err)
	}
	return gen.RemoveSaleItem200JSONResponse(body), nil
}

// CompleteSale checks a cart out.
func (s *Server) CompleteSale(ctx context.Context, req gen.CompleteSaleRequestObject) (gen.CompleteSaleResponseObject, error) {
	b := req.Body
	body, err := s.changeSale(ctx, func(t *till) (_ *sales.Sale, err error) {
		c := sales.Checkout{Notes: b.Notes}
		if c.Payout, err = t.payout((*string)(b.PaymentType), b.Payments, b.DueDate, b.CreditOverrideReason); err != nil {
			return nil, err
		}
		discount, err := t.discount(b.Discount, b.DiscountPercent)
		if err != nil {
			return nil, err
		}
		c.Discount = value(discount)
		sale, err := sales.Complete(t.tx, Shelf(), t.who, req.ID, c, t.now)
		if err != nil {
			return nil, err
		}
		return sale, s.tellSale(ctx, t, sale)
	})
	if err != nil {
		return nil, fmt.Errorf("complete sale: %w", err)
	}
	return gen.CompleteSale200JSONResponse(body), nil
}

// payout reads how a sale is paid. A payment type without payments is one payment of the whole, or, for CREDIT, none.
func (t *till) payout(way *string, tenders *[]gen.TenderRequest, due *types.Date, override *string) (p sales.Payout, err error) {
	p.Override = value(override)
	p.OnCredit = way != nil && (*way == sales.PaidCredit || *way == sales.PaidMixed)
	if due != nil {
		p.DueDate = &due.Time
	}
	if tenders == nil && way != nil && !p.OnCredit {
		p.All = map[string]string{sales.PaidCash: "CASH", sales.PaidCard: "CARD", sales.PaidMobile: "MOMO"}[*way]
	}
	for i, b := range value(tenders) {
		tender, err := t.tender(fmt.Sprintf("payments/%d/amount", i), string(b.Method), b.Amount, b.Reference)
		if err != nil {
			return p, err
		}
		p.Tenders = append(p.Tenders, tender)
	}
	return p, nil
}

func (t *till) tender(field, method, amount string, reference *string) (sales.Tender, error) {
	minor, err := t.minor(field, amount)
	if err == nil && minor == 0 {
		err = fieldProblem(field, "too_small", "must be more than nothing")
	}
	return sales.Tender{Method: method, Minor: minor, Reference: value(reference)}, err
}

// PaySale takes a payment on a sale.
func (s *Server) PaySale(ctx context.Context, req gen.PaySaleRequestObject) (gen.PaySaleResponseObject, error) {
	body, err := s.changeSale(ctx, func(t *till) (*sales.Sale, error) {
		tender, err := t.tender("amount", string(req.Body.Method), req.Body.Amount, req.Body.Reference)
		if err != nil {
			return nil, err
		}
		return sales.Pay(t.tx, t.who, req.ID, tender, t.now)
	})
	if err != nil {
		return nil, fmt.Errorf("take payment: %w", err)
	}
	return gen.PaySale201JSONResponse(body), nil
}

// RefundSale takes goods back.
func (s *Server) RefundSale(ctx context.Context, req gen.RefundSaleRequestObject) (gen.RefundSaleResponseObject, error) {
	body, err := s.changeSale(ctx, func(t *till) (*sales.Sale, error) {
		return sales.TakeBack(t.tx, Shelf(), t.who, req.ID, readReturn(req.Body.Items, req.Body.Restock, req.Body.Reason, req.Body.RefundMethod), t.now)
	})
	if err != nil {
		return nil, fmt.Errorf("refund sale: %w", err)
	}
	return gen.RefundSale200JSONResponse(body), nil
}

func readReturn(items *[]gen.ReturnLineRequest, restock *bool, reason string, method *gen.PaymentMethod) sales.Return {
	r := sales.Return{Restock: restock == nil || *restock, Reason: reason, Method: string(value(method))}
	for _, i := range value(items) {
		r.Lines = append(r.Lines, sales.ReturnLine{Item: i.ItemID, Quantity: i.Quantity})
	}
	return r
}

// CancelSale takes a whole sale back.
func (s *Server) CancelSale(ctx context.Context, req gen.CancelSaleRequestObject) (gen.CancelSaleResponseObject, error) {
	body, err := s.changeSale(ctx, func(t *till) (*sales.Sale, error) {
		return sales.Cancel(t.tx, Shelf(), t.who, req.ID, readReturn(nil, req.Body.Restock, req.Body.Reason, req.Body.RefundMethod), t.now)
	})
	if err != nil {
		return nil, fmt.Errorf("cancel sale: %w", err)
	}
	return gen.CancelSale200JSONResponse(body), nil
}

// AbandonSale gives a cart up.
func (s *Server) AbandonSale(ctx context.Context, req gen.AbandonSaleRequestObject) (gen.AbandonSaleResponseObject, error) {
	body, err := s.changeSale(ctx, func(t *till) (*sales.Sale, error) { return sales.Abandon(t.tx, t.who, req.ID) })
	if err != nil {
		return nil, fmt.Errorf("give up cart: %w", err)
	}
	return gen.AbandonSale200JSONResponse(body), nil
}

// ExchangeSale takes goods back and sells others for them. What the key has made is the new sale, which names the old one.
func (s *Server) ExchangeSale(ctx context.Context, req gen.ExchangeSaleRequestObject) (gen.ExchangeSaleResponseObject, error) {
	claim := once.From(ctx)
	b := req.Body
	var old, fresh *sales.Sale
	err := s.atTill(ctx, func(t *till) (err error) {
		if id := claim.Made(); id != uuid.Nil {
			if fresh, err = sales.SaleByID(t.tx, id, t.who.Scope); err == nil {
				old, err = sales.SaleByID(t.tx, req.ID, t.who.Scope)
			}
			return err
		}
		e := sales.Exchange{Return: readReturn(&b.Items, b.Restock, b.Reason, b.RefundMethod)}
		if e.Payout, err = t.payout((*string)(b.PaymentType), b.Payments, b.DueDate, b.CreditOverrideReason); err != nil {
			return err
		}
		for _, i := range b.NewItems {
			n, err := t.newItem(i)
			if err != nil {
				return err
			}
			e.Take = append(e.Take, n)
		}
		if old, fresh, err = sales.Swap(t.tx, Shelf(), t.who, req.ID, e, t.now); err != nil {
			return err
		}
		if err := s.tellSale(ctx, t, fresh); err != nil {
			return err
		}
		return claim.Keep(t.tx, fresh.ID)
	})
	if err != nil {
		return nil, fmt.Errorf("exchange: %w", err)
	}
	return gen.ExchangeSale200JSONResponse{Returned: saleBody(old), Sale: saleBody(fresh)}, nil
}

func saleHead(s *sales.Sale) gen.SaleHead {
	m := func(minor int64) string { return s.Amount(minor).Decimal() }
	return gen.SaleHead{
		ID: s.ID, StorefrontID: s.Storefront, StorefrontName: s.StorefrontName, UserID: s.User, CustomerID: s.Customer, CustomerName: s.CustomerName, ReceiptNumber: s.Receipt,
		Type: gen.SaleHeadType(s.Type), Status: gen.SaleStatus(s.Status), Currency: string(s.Currency), Subtotal: m(s.Subtotal), Discount: m(s.Discount), Tax: m(s.Tax), Total: m(s.Total),
		AmountPaid: m(s.Paid), AmountReturned: m(s.Returned), AmountRefunded: m(s.CashRefunded), AmountDue: m(s.Due), Change: m(s.Change), PaymentType: s.PaymentType, IsCreditSale: s.OnCredit,
		OverrideReason: optional(s.OverrideReason), OverrideBy: s.OverrideBy, ExchangeOf: s.ExchangeOf, Notes: s.Notes, CreatedAt: s.CreatedAt.UTC(), CompletedAt: utc(s.CompletedAt), EndedAt: utc(s.EndedAt),
	}
}

func saleBody(s *sales.Sale) gen.Sale {
	h := saleHead(s)
	m := func(minor int64) string { return s.Amount(minor).Decimal() }
	body := gen.Sale{
		ID: h.ID, StorefrontID: h.StorefrontID, StorefrontName: h.StorefrontName, UserID: h.UserID, CustomerID: h.CustomerID, CustomerName: h.CustomerName, ReceiptNumber: h.ReceiptNumber,
		Type: gen.SaleType(h.Type), Status: h.Status, Currency: h.Currency, Subtotal: h.Subtotal, Discount: h.Discount, Tax: h.Tax, Total: h.Total, AmountPaid: h.AmountPaid,
		AmountReturned: h.AmountReturned, AmountRefunded: h.AmountRefunded, AmountDue: h.AmountDue, Change: h.Change, PaymentType: h.PaymentType, IsCreditSale: h.IsCreditSale,
		OverrideReason: h.OverrideReason, OverrideBy: h.OverrideBy, ExchangeOf: h.ExchangeOf, Notes: h.Notes, CreatedAt: h.CreatedAt, CompletedAt: h.CompletedAt, EndedAt: h.EndedAt,
		ReservedUntil: utc(s.ReservedUntil), Items: []gen.SaleItem{}, Payments: []gen.SalePayment{}, Refunds: []gen.SaleRefund{},
	}
	for _, i := range s.Items {
		body.Items = append(body.Items, gen.SaleItem{
			ID: i.ID, ProductID: i.Product, ProductName: i.Name, ProductSku: i.SKU, Quantity: i.Quantity, Returned: i.Returned, UnitPrice: m(i.UnitPrice), Discount: m(i.Discount),
			SaleDiscount: m(i.SaleDiscount), TaxRatePercent: percent(i.TaxBP), Tax: m(i.Tax), Total: m(i.Total), Worth: m(i.Worth()),
		})
	}
	for _, p := range s.Payments {
		body.Payments = append(body.Payments, paymentBody(p))
	}
	for _, r := range s.Refunds {
		refund := gen.SaleRefund{
			ID: r.ID, Type: gen.SaleRefundType(r.Type), Amount: m(r.Minor), PaidBack: m(r.Cash - r.Exchanged), Exchanged: m(r.Exchanged), Method: r.Method, Restock: r.Restock, Reason: r.Reason,
			ExchangeSaleID: r.ExchangeSale, CreatedBy: r.User, At: r.At.UTC(), Items: []gen.SaleRefundItem{},
		}
		for _, i := range r.Items {
			refund.Items = append(refund.Items, gen.SaleRefundItem{ItemID: i.Item, Quantity: i.Quantity, Amount: m(i.Minor)})
		}
		body.Refunds = append(body.Refunds, refund)
	}
	if r := s.Receivable; r != nil {
		body.Receivable = &gen.SaleReceivable{
			ID: r.ID, Original: m(r.Original), Paid: m(r.Paid), Returned: m(r.Returned), Outstanding: m(r.Outstanding), Status: gen.SaleReceivableStatus(r.Status), DueDate: types.Date{Time: r.DueDate},
		}
	}
	return body
}

func paymentBody(p sales.Payment) gen.SalePayment {
	return gen.SalePayment{
		ID: p.ID, SaleID: p.Sale, CustomerID: p.Customer, Amount: money.FromMinor(p.Minor, p.Currency).Decimal(), Currency: string(p.Currency), Method: p.Method, Reference: p.Reference,
		ProcessedBy: p.User, At: p.At.UTC(),
	}
}
