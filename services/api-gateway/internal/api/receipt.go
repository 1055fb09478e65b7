package api

import (
	"context"

	"makola/pkg/sales"
	"makola/services/api-gateway/internal/api/gen"
)

// GetReceipt shows what a customer takes home.
func (s *Server) GetReceipt(ctx context.Context, req gen.GetReceiptRequestObject) (gen.GetReceiptResponseObject, error) {
	var r *sales.Receipt
	err := s.atTill(ctx, func(t *till) (err error) {
		r, err = sales.ReceiptOf(t.tx, req.ID, t.who.Scope)
		return err
	})
	if err != nil {
		return nil, err
	}
	return gen.GetReceipt200JSONResponse{
		BusinessName: r.Business, Tin: optional(r.TIN), Address: r.Address, PhoneNumbers: append([]string{}, r.Phones...), Header: r.Header, Footer: r.Footer, ShowTaxes: r.ShowTaxes, Barcode: r.Barcode,
		Paper: r.Paper, Language: r.Language, Cashier: r.Cashier, CompletedAtLocal: r.Local.Format("2006-01-02 15:04"), Sale: saleBody(r.Sale),
	}, nil
}
