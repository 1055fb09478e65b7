package api

import (
	"bytes"
	"context"
	"fmt"

	"github.com/google/uuid"

	"makola/pkg/document"
	"makola/pkg/sales"
	"makola/services/api-gateway/internal/api/gen"
)

// GetReceipt shows what a customer takes home.
func (s *Server) GetReceipt(ctx context.Context, req gen.GetReceiptRequestObject) (gen.GetReceiptResponseObject, error) {
	r, err := s.receipt(ctx, req.ID)
	if err != nil {
		return nil, err
	}
	return gen.GetReceipt200JSONResponse{
		BusinessName: r.Business, Tin: optional(r.TIN), Address: r.Address, PhoneNumbers: append([]string{}, r.Phones...), Header: r.Header, Footer: r.Footer, ShowTaxes: r.ShowTaxes, Barcode: r.Barcode,
		Paper: r.Paper, Language: r.Language, Cashier: r.Cashier, CompletedAtLocal: r.Local.Format("2006-01-02 15:04"), Sale: saleBody(r.Sale),
	}, nil
}

// GetReceiptPDF prints what a customer takes home.
func (s *Server) GetReceiptPDF(ctx context.Context, req gen.GetReceiptPDFRequestObject) (gen.GetReceiptPDFResponseObject, error) {
	r, err := s.receipt(ctx, req.ID)
	if err != nil {
		return nil, err
	}
	var file bytes.Buffer
	if err := document.WriteReceiptPDF(&file, r.Document()); err != nil {
		return nil, fmt.Errorf("print receipt: %w", err)
	}
	return gen.GetReceiptPDF200ApplicationPdfResponse{Body: &file, ContentLength: int64(file.Len())}, nil
}

func (s *Server) receipt(ctx context.Context, id uuid.UUID) (r *sales.Receipt, err error) {
	err = s.atTill(ctx, func(t *till) (err error) {
		r, err = sales.ReceiptOf(t.tx, id, t.who.Scope)
		return err
	})
	return r, err
}
