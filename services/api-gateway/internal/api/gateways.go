package api

import (
	"context"
	"slices"

	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/services/api-gateway/internal/api/gen"
)

// ListPaymentGateways tells those who run Makola how the payment providers fare.
func (s *Server) ListPaymentGateways(ctx context.Context, _ gen.ListPaymentGatewaysRequestObject) (gen.ListPaymentGatewaysResponseObject, error) {
	var list []billing.Gateway
	err := s.DB.InSystem(ctx, func(tx *gorm.DB) (err error) {
		list, err = billing.Gateways(tx, s.ProviderNames)
		return err
	})
	if err != nil {
		return nil, err
	}
	body := gen.PaymentGatewayList{Items: []gen.PaymentGateway{}}
	for _, g := range list {
		body.Items = append(body.Items, s.gatewayBody(g))
	}
	return gen.ListPaymentGateways200JSONResponse(body), nil
}

func (s *Server) gatewayBody(g billing.Gateway) gen.PaymentGateway {
	b := gen.PaymentGateway{
		Provider: g.Provider, Configured: slices.Contains(s.ProviderNames, g.Provider), State: gen.PaymentGatewayState(g.State), ConsecutiveFailures: g.Failures, LastError: optional(g.LastError),
		OpenedAt: utc(g.OpenedAt), ProbedAt: utc(g.ProbedAt), LastSuccessAt: utc(g.LastSuccessAt), Probes24H: g.Probes, Unanswered24H: g.Unanswered, MeanLatencyMs24H: g.MeanLatency.Milliseconds(),
		Outages: []gen.GatewayOutage{},
	}
	if g.Last != nil {
		b.LastProbe = &gen.GatewayProbe{At: g.LastAt.UTC(), Result: gen.GatewayProbeResult(g.Last.Result), LatencyMs: g.Last.Latency.Milliseconds(), Error: optional(g.Last.Error)}
	}
	for _, o := range g.Outages {
		b.Outages = append(b.Outages, gen.GatewayOutage{OpenedAt: o.OpenedAt.UTC(), ClosedAt: utc(o.ClosedAt), Error: optional(o.Error)})
	}
	return b
}
