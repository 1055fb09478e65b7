package api

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/inventory"
	"makola/services/api-gateway/internal/api/gen"
	"makola/services/api-gateway/internal/once"
)

// ListTransfers pages through the transfers of a business.
func (s *Server) ListTransfers(ctx context.Context, req gen.ListTransfersRequestObject) (gen.ListTransfersResponseObject, error) {
	after, err := afterCursor(cursorTransfers, req.Params.Cursor)
	if err != nil {
		return nil, err
	}
	var list []inventory.Transfer
	var next uuid.UUID
	err = s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		list, next, err = inventory.Transfers(tx, inventory.TransferStatus(value(req.Params.Status)), after, pageSize(req.Params.Limit))
		return err
	})
	if err != nil {
		return nil, err
	}
	page := gen.TransferPage{Items: []gen.TransferHead{}, NextCursor: nextCursor(cursorTransfers, next)}
	for _, t := range list {
		page.Items = append(page.Items, transferHead(&t))
	}
	return gen.ListTransfers200JSONResponse(page), nil
}

// GetTransfer shows a transfer and its items.
func (s *Server) GetTransfer(ctx context.Context, req gen.GetTransferRequestObject) (gen.GetTransferResponseObject, error) {
	var t *inventory.Transfer
	err := s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		t, err = inventory.TransferByID(tx, req.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	return gen.GetTransfer200JSONResponse(transferBody(t)), nil
}

// transfer does something to a transfer, once for each Idempotency-Key, and keeps that it was done.
func (s *Server) transfer(ctx context.Context, do func(tx *gorm.DB, now time.Time) (*inventory.Transfer, error)) (body gen.Transfer, err error) {
	claim := once.From(ctx)
	err = s.DB.InTenant(ctx, func(tx *gorm.DB) error {
		if id := claim.Made(); id != uuid.Nil {
			t, err := inventory.TransferByID(tx, id)
			if err == nil {
				body = transferBody(t)
			}
			return err
		}
		t, err := do(tx, time.Now())
		if err != nil {
			return err
		}
		body = transferBody(t)
		return claim.Keep(tx, t.ID)
	})
	return body, err
}

// CreateTransfer plans a transfer.
func (s *Server) CreateTransfer(ctx context.Context, req gen.CreateTransferRequestObject) (gen.CreateTransferResponseObject, error) {
	b := req.Body
	n := inventory.NewTransfer{Source: b.SourceID, Destination: b.DestinationID, Notes: value(b.Notes), Type: string(value(b.Type))}
	var err error
	if n.ExpectedArrival, err = dayIn("/expected_arrival", b.ExpectedArrival); err != nil {
		return nil, err
	}
	for _, i := range b.Items {
		n.Items = append(n.Items, inventory.TransferItem{Product: i.ProductID, Quantity: i.Quantity})
	}
	body, err := s.transfer(ctx, func(tx *gorm.DB, now time.Time) (*inventory.Transfer, error) {
		return inventory.Move(tx, actor(ctx), n, now)
	})
	if err != nil {
		return nil, fmt.Errorf("create transfer: %w", err)
	}
	return gen.CreateTransfer201JSONResponse(body), nil
}

// DispatchTransfer takes the goods of a transfer out of its source.
func (s *Server) DispatchTransfer(ctx context.Context, req gen.DispatchTransferRequestObject) (gen.DispatchTransferResponseObject, error) {
	body, err := s.transfer(ctx, func(tx *gorm.DB, now time.Time) (*inventory.Transfer, error) {
		return inventory.Dispatch(tx, actor(ctx), req.ID, now)
	})
	if err != nil {
		return nil, err
	}
	return gen.DispatchTransfer200JSONResponse(body), nil
}

// CompleteTransfer puts the goods of a transfer into its destination.
func (s *Server) CompleteTransfer(ctx context.Context, req gen.CompleteTransferRequestObject) (gen.CompleteTransferResponseObject, error) {
	body, err := s.transfer(ctx, func(tx *gorm.DB, now time.Time) (*inventory.Transfer, error) {
		return inventory.Complete(tx, actor(ctx), req.ID, now)
	})
	if err != nil {
		return nil, err
	}
	return gen.CompleteTransfer200JSONResponse(body), nil
}

// CancelTransfer ends a transfer.
func (s *Server) CancelTransfer(ctx context.Context, req gen.CancelTransferRequestObject) (gen.CancelTransferResponseObject, error) {
	body, err := s.transfer(ctx, func(tx *gorm.DB, now time.Time) (*inventory.Transfer, error) {
		return inventory.Cancel(tx, actor(ctx), req.ID, now)
	})
	if err != nil {
		return nil, err
	}
	return gen.CancelTransfer200JSONResponse(body), nil
}

func transferHead(t *inventory.Transfer) gen.TransferHead {
	return gen.TransferHead{
		ID: t.ID, Reference: t.Reference, Type: gen.TransferHeadType(t.Type), Status: gen.TransferStatus(t.Status), SourceID: t.Source, DestinationID: t.Destination,
		ExpectedArrival: dayOut(t.ExpectedArrival), Notes: optional(t.Notes), CreatedBy: t.CreatedBy, CreatedAt: t.CreatedAt.UTC(), DispatchedBy: t.DispatchedBy, DispatchedAt: utc(t.DispatchedAt),
		CompletedBy: t.CompletedBy, CompletedAt: utc(t.CompletedAt), CancelledBy: t.CancelledBy, CancelledAt: utc(t.CancelledAt),
	}
}

func transferBody(t *inventory.Transfer) gen.Transfer {
	h := transferHead(t)
	body := gen.Transfer{
		ID: h.ID, Reference: h.Reference, Type: gen.TransferType(h.Type), Status: h.Status, SourceID: h.SourceID, DestinationID: h.DestinationID, ExpectedArrival: h.ExpectedArrival, Notes: h.Notes,
		CreatedBy: h.CreatedBy, CreatedAt: h.CreatedAt, DispatchedBy: h.DispatchedBy, DispatchedAt: h.DispatchedAt, CompletedBy: h.CompletedBy, CompletedAt: h.CompletedAt,
		CancelledBy: h.CancelledBy, CancelledAt: h.CancelledAt, Items: []gen.TransferItem{},
	}
	for _, i := range t.Items {
		body.Items = append(body.Items, gen.TransferItem{ProductID: i.Product, ProductName: i.Name, Sku: i.SKU, Quantity: i.Quantity})
	}
	return body
}
