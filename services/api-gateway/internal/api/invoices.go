package api

import (
	"bytes"
	"context"
	"fmt"

	"github.com/google/uuid"
	openapitypes "github.com/oapi-codegen/runtime/types"
	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/document"
	"makola/services/api-gateway/internal/api/gen"
)

// ListSubscriptionInvoices pages through the invoices of the business's subscription.
func (s *Server) ListSubscriptionInvoices(ctx context.Context, req gen.ListSubscriptionInvoicesRequestObject) (gen.ListSubscriptionInvoicesResponseObject, error) {
	after, err := afterCursor(cursorSubscriptionInvoices, req.Params.Cursor)
	if err != nil {
		return nil, err
	}
	page := gen.InvoicePage{Items: []gen.Invoice{}}
	err = s.DB.InTenant(ctx, func(tx *gorm.DB) error {
		list, next, err := billing.Invoices(tx, after, pageSize(req.Params.Limit))
		for _, i := range list {
			page.Items = append(page.Items, invoiceBody(i))
		}
		page.NextCursor = nextCursor(cursorSubscriptionInvoices, next)
		return err
	})
	if err != nil {
		return nil, err
	}
	return gen.ListSubscriptionInvoices200JSONResponse(page), nil
}

// GetSubscriptionInvoice shows one invoice.
func (s *Server) GetSubscriptionInvoice(ctx context.Context, req gen.GetSubscriptionInvoiceRequestObject) (gen.GetSubscriptionInvoiceResponseObject, error) {
	i, err := s.invoice(ctx, req.ID)
	if err != nil {
		return nil, err
	}
	return gen.GetSubscriptionInvoice200JSONResponse(invoiceBody(i)), nil
}

// GetSubscriptionInvoicePDF prints one invoice.
func (s *Server) GetSubscriptionInvoicePDF(ctx context.Context, req gen.GetSubscriptionInvoicePDFRequestObject) (gen.GetSubscriptionInvoicePDFResponseObject, error) {
	i, err := s.invoice(ctx, req.ID)
	if err != nil {
		return nil, err
	}
	var file bytes.Buffer
	if err := document.WritePDF(&file, i.Document()); err != nil {
		return nil, fmt.Errorf("print invoice: %w", err)
	}
	return gen.GetSubscriptionInvoicePDF200ApplicationPdfResponse{Body: &file, ContentLength: int64(file.Len())}, nil
}

func (s *Server) invoice(ctx context.Context, id uuid.UUID) (i *billing.Invoice, err error) {
	err = s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		i, err = billing.InvoiceByID(tx, id)
		return err
	})
	return i, err
}

func invoiceBody(i *billing.Invoice) gen.Invoice {
	return gen.Invoice{
		ID: i.ID, Number: i.Number, Status: gen.InvoiceStatus(i.Status), PeriodStart: i.PeriodStart.UTC(), PeriodEnd: i.PeriodEnd.UTC(), Storefronts: i.Storefronts, BaseAmount: i.Base.Decimal(),
		Taxes: taxBodies(i.Taxes), TotalTax: i.Tax.Decimal(), Charges: chargeBodies(i.Charges), TotalCharges: i.Charged.Decimal(), TotalAmount: i.Total.Decimal(), Currency: string(i.Total.Currency),
		IssuedOn: openapitypes.Date{Time: i.IssuedOn}, DueOn: openapitypes.Date{Time: i.DueOn}, PaidAt: utc(i.PaidAt), PaymentReference: optional(i.Reference), Reminders: i.Reminders, Seller: partyBody(i.Seller), Customer: partyBody(i.Customer),
		PdfURL: "/api/v1/subscription/invoices/" + i.ID.String() + "/invoice.pdf",
	}
}

func partyBody(p billing.Party) gen.InvoiceParty {
	return gen.InvoiceParty{Name: p.Name, Tin: p.TIN, Address: p.Address, Email: p.Email}
}
