package api

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/task"
	aifeatures "makola/proto/makola/ai_features/v1"
	"makola/services/api-gateway/internal/api/gen"
	"makola/services/api-gateway/internal/auth"
)

// askAgainAfter is how long one question to the provider answers everybody who asks about the same payment: a browser that reloads does not become a call each time.
const askAgainAfter = 5 * time.Second

// VerifyCreditPurchase answers for a purchase whose end is known, and has the provider asked about any other.
func (s *Server) VerifyCreditPurchase(ctx context.Context, req gen.VerifyCreditPurchaseRequestObject) (gen.VerifyCreditPurchaseResponseObject, error) {
	p, asked, err := s.verify(ctx, req.Body.Reference)
	switch {
	case err != nil:
		return nil, err
	case asked == uuid.Nil:
		return gen.VerifyCreditPurchase200JSONResponse(purchaseBody(p)), nil
	}
	body := verifying(p, asked)
	return gen.VerifyCreditPurchase202JSONResponse{Body: body, Headers: gen.VerifyCreditPurchase202ResponseHeaders{Location: &body.StatusURL, RetryAfter: &retrySeconds}}, nil
}

// VerifyCreditPurchaseReturn is VerifyCreditPurchase for a browser that the provider sent back.
func (s *Server) VerifyCreditPurchaseReturn(ctx context.Context, req gen.VerifyCreditPurchaseReturnRequestObject) (gen.VerifyCreditPurchaseReturnResponseObject, error) {
	reference := value(req.Params.Reference)
	if reference == "" {
		reference = value(req.Params.Trxref)
	}
	if reference == "" {
		return nil, parameterProblem("reference", "required", "is missing")
	}
	p, asked, err := s.verify(ctx, reference)
	switch {
	case err != nil:
		return nil, err
	case asked == uuid.Nil:
		return gen.VerifyCreditPurchaseReturn200JSONResponse(purchaseBody(p)), nil
	}
	body := verifying(p, asked)
	return gen.VerifyCreditPurchaseReturn202JSONResponse{Body: body, Headers: gen.VerifyCreditPurchaseReturn202ResponseHeaders{Location: &body.StatusURL, RetryAfter: &retrySeconds}}, nil
}

// retrySeconds is when a client should ask again: the provider answers within a second or two.
var retrySeconds = 2

// verify looks the purchase up as its own business sees it, so another's reference asks nobody; asked is the task that asks the provider, uuid.Nil when the end is known.
func (s *Server) verify(ctx context.Context, reference string) (p *billing.Purchase, asked uuid.UUID, err error) {
	who := auth.From(ctx)
	err = s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		if p, err = billing.PurchaseByReference(tx, reference); err != nil {
			return err
		}
		switch p.Status {
		case billing.Completed, billing.Refunded, billing.Review, billing.Disputed:
			return nil // only evidence or a person changes these
		case billing.Pending, billing.Failed, billing.Expired:
		}
		slot := strconv.FormatInt(time.Now().Unix()/int64(askAgainAfter.Seconds()), 10)
		asked, err = s.Credits.VerifyPayment(ctx, tx, &aifeatures.VerifyPaymentArgs{PaymentReference: reference, PaymentProvider: &p.Provider, Reason: "return"},
			task.Unique("return:"+reference+":"+slot), task.CreatedBy(who.User))
		return err
	})
	if err != nil {
		return nil, uuid.Nil, fmt.Errorf("verify purchase: %w", purchaseError(err))
	}
	return p, asked, nil
}

func verifying(p *billing.Purchase, asked uuid.UUID) gen.Verifying {
	return gen.Verifying{TaskID: asked, StatusURL: "/api/v1/tasks/" + asked.String(), Purchase: purchaseBody(p)}
}
