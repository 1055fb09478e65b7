package api

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/money"
	aifeatures "makola/proto/makola/ai_features/v1"
	"makola/services/api-gateway/internal/api/gen"
	"makola/services/api-gateway/internal/auth"
	"makola/services/api-gateway/internal/once"
)

// defaultDays is how far back the sums of usage go when the client does not say.
const defaultDays = 30

// GetFeatureAvailability tells whether one call of a feature can be paid for.
func (s *Server) GetFeatureAvailability(ctx context.Context, req gen.GetFeatureAvailabilityRequestObject) (gen.GetFeatureAvailabilityResponseObject, error) {
	var a *billing.Availability
	err := s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		a, err = billing.FeatureAvailability(tx, req.Feature, time.Now().UTC())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look up feature: %w", err)
	}
	return gen.GetFeatureAvailability200JSONResponse{
		Feature: a.Feature, Available: a.Available, Cost: a.Cost.String(), Balance: a.Balance.String(), Shortage: a.Shortage.String(),
	}, nil
}

// ReserveFeatureCharge sets the price of one call aside.
func (s *Server) ReserveFeatureCharge(ctx context.Context, req gen.ReserveFeatureChargeRequestObject) (gen.ReserveFeatureChargeResponseObject, error) {
	who := auth.From(ctx)
	claim := once.From(ctx)
	var h *billing.Hold
	err := s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		if id := claim.Made(); id != uuid.Nil {
			h, err = billing.HoldByID(tx, id)
			return err
		}
		if h, err = billing.Reserve(tx, who.User, req.Feature, time.Now()); err != nil {
			return err
		}
		return claim.Keep(tx, h.ID)
	})
	if err != nil {
		return nil, fmt.Errorf("reserve charge: %w", err)
	}
	return gen.ReserveFeatureCharge201JSONResponse(chargeBody(h)), nil
}

// CaptureFeatureCharge uses what a call used, and has it recorded in the ledger. The charge's own state makes a repetition harmless; the key only keeps the answer.
func (s *Server) CaptureFeatureCharge(ctx context.Context, req gen.CaptureFeatureChargeRequestObject) (gen.CaptureFeatureChargeResponseObject, error) {
	amount, usage, err := readCapture(req.Body)
	if err != nil {
		return nil, err
	}
	var h *billing.Hold
	err = s.DB.InTenant(ctx, func(tx *gorm.DB) error {
		var fresh bool
		var err error
		if h, fresh, err = billing.Capture(tx, req.ID, req.Feature, amount, usage); err != nil {
			return err
		}
		if fresh {
			if _, err := s.Credits.RecordUsage(ctx, tx, &aifeatures.RecordUsageArgs{HoldId: h.ID.String()}); err != nil {
				return err
			}
		}
		return once.From(ctx).Keep(tx, h.ID)
	})
	if err != nil {
		return nil, fmt.Errorf("capture charge: %w", err)
	}
	return gen.CaptureFeatureCharge200JSONResponse(chargeBody(h)), nil
}

func readCapture(body *gen.CaptureFeatureChargeJSONRequestBody) (amount *money.Credits, u billing.Usage, err error) {
	if body.Credits != nil {
		c, err := money.ParseCredits(*body.Credits)
		if err != nil {
			return nil, u, fieldProblem("credits", "invalid", "must be a number of credits with at most two decimals")
		}
		amount = &c
	}
	if body.ProviderCost != nil {
		if u.ProviderCost, err = parseCost(*body.ProviderCost); err != nil {
			return nil, u, fieldProblem("provider_cost", "invalid", "must be an amount in GHS with at most four decimals")
		}
	}
	u.Tokens, u.ProcessingMS, u.Summary = value(body.Tokens), value(body.ProcessingMs), value(body.ResponseSummary)
	u.Request = value(body.Request)
	return amount, u, nil
}

// ReleaseFeatureCharge gives everything back: the call failed, and a failed call costs nothing.
func (s *Server) ReleaseFeatureCharge(ctx context.Context, req gen.ReleaseFeatureChargeRequestObject) (gen.ReleaseFeatureChargeResponseObject, error) {
	usage := billing.Usage{Error: value(req.Body.Error), ProcessingMS: value(req.Body.ProcessingMs), Request: value(req.Body.Request)}
	var h *billing.Hold
	err := s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		if h, err = billing.Release(tx, req.ID, req.Feature, usage); err != nil {
			return err
		}
		return once.From(ctx).Keep(tx, h.ID)
	})
	if err != nil {
		return nil, fmt.Errorf("release charge: %w", err)
	}
	return gen.ReleaseFeatureCharge200JSONResponse(chargeBody(h)), nil
}

func chargeBody(h *billing.Hold) gen.Charge {
	return gen.Charge{
		ChargeID: h.ID, Feature: h.Feature, Status: gen.ChargeStatus(h.State), Held: h.Amount.String(), Captured: h.Captured.String(),
		CreatedAt: h.CreatedAt.UTC(), ExpiresAt: h.ExpiresAt.UTC(), EndedAt: utc(h.EndedAt),
	}
}

// GetUsageStats sums what was used.
func (s *Server) GetUsageStats(ctx context.Context, req gen.GetUsageStatsRequestObject) (gen.GetUsageStatsResponseObject, error) {
	days := defaultDays
	if req.Params.Days != nil {
		days = *req.Params.Days
	}
	var features []billing.FeatureUsage
	err := s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		features, err = billing.UsageStats(tx, days, time.Now())
		return err
	})
	if err != nil {
		return nil, err
	}
	body := gen.UsageStats{Days: days, Features: []gen.FeatureUsage{}}
	var total billing.FeatureUsage
	for _, f := range features {
		total.Calls += f.Calls
		total.Failures += f.Failures
		total.ProviderCost += f.ProviderCost
		total.Tokens += f.Tokens
		total.ProcessingMS += f.ProcessingMS
		if total.Credits, err = total.Credits.Add(f.Credits); err != nil {
			return nil, fmt.Errorf("sum usage: %w", err)
		}
		sum := sumBody(f)
		body.Features = append(body.Features, gen.FeatureUsage{Feature: f.Feature, Calls: sum.Calls, Failures: sum.Failures, SuccessPercent: sum.SuccessPercent,
			Credits: sum.Credits, ProviderCost: sum.ProviderCost, Tokens: sum.Tokens, AverageMs: sum.AverageMs})
	}
	body.Total = sumBody(total)
	return gen.GetUsageStats200JSONResponse(body), nil
}

func sumBody(f billing.FeatureUsage) gen.UsageSum {
	sum := gen.UsageSum{Calls: f.Calls, Failures: f.Failures, Credits: f.Credits.String(), ProviderCost: costText(f.ProviderCost), Tokens: f.Tokens}
	if f.Calls > 0 {
		text := percent((f.Calls - f.Failures) * 10_000 / f.Calls)
		sum.SuccessPercent, sum.AverageMs = &text, f.ProcessingMS/f.Calls
	}
	return sum
}

// ListUsageTransactions pages through the calls that were made.
func (s *Server) ListUsageTransactions(ctx context.Context, req gen.ListUsageTransactionsRequestObject) (gen.ListUsageTransactionsResponseObject, error) {
	after, _, err := decodeCursor(cursorUsage, req.Params.Cursor)
	if err != nil {
		return nil, err
	}
	var (
		list []billing.UsageTransaction
		next uuid.UUID
	)
	err = s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		list, next, err = billing.UsageTransactions(tx, value(req.Params.Feature), after, pageSize(req.Params.Limit))
		return err
	})
	if err != nil {
		return nil, err
	}
	page := gen.UsagePage{Items: []gen.UsageTransaction{}}
	if next != uuid.Nil {
		page.NextCursor = encodeCursor(cursorUsage, next, 0)
	}
	for _, u := range list {
		page.Items = append(page.Items, gen.UsageTransaction{
			ID: u.ID, ChargeID: u.Hold, UserID: u.User, Feature: u.Feature, Credits: u.Credits.String(), Success: u.Success, Error: optional(u.Error),
			ResponseSummary: optional(u.Summary), Tokens: u.Tokens, ProcessingMs: u.ProcessingMS, CreatedAt: u.At.UTC(), RetentionUntil: u.RetentionUntil.UTC(),
		})
	}
	return gen.ListUsageTransactions200JSONResponse(page), nil
}

// value is what an optional member holds, or the zero value.
func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// costDigits are the decimals of a provider's cost: 1/10000 GHS.
const costDigits = 4

// parseCost reads an amount in GHS with up to four decimals; the API's description has checked its form.
func parseCost(text string) (int64, error) {
	digits, point := make([]byte, 0, len(text)+costDigits), -1
	for i := range len(text) {
		if text[i] == '.' {
			point = len(digits)
			continue
		}
		digits = append(digits, text[i])
	}
	if point < 0 {
		point = len(digits)
	}
	for len(digits) < point+costDigits {
		digits = append(digits, '0')
	}
	return strconv.ParseInt(string(digits), 10, 64)
}

func costText(tenThousandths int64) string {
	return fmt.Sprintf("%d.%04d", tenThousandths/10_000, tenThousandths%10_000)
}
