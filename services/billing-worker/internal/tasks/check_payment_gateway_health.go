package tasks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/notifications"
	"makola/pkg/payments"
	"makola/proto/contract"
	subscriptionspb "makola/proto/makola/subscriptions/v1"
)

// CheckPaymentGatewayHealth asks each configured provider something cheap, keeps what came of it, and has the platform mailed of what began or ended.
// LONG: the providers are asked outside any transaction.
func (s *Subscriptions) CheckPaymentGatewayHealth(ctx context.Context, run contract.Run, _ *subscriptionspb.CheckPaymentGatewayHealthArgs,
) (contract.Commit[*subscriptionspb.CheckPaymentGatewayHealthResult], error) {
	var probes []billing.Probe
	for _, name := range slices.Sorted(maps.Keys(s.Providers)) {
		ask := false
		err := s.DB.InSystem(ctx, func(tx *gorm.DB) (err error) {
			ask, err = billing.BeginProbe(tx, name, run.ID)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("check payment provider %s: %w", name, err)
		}
		p := billing.Probe{Provider: name, Result: billing.ProbeLeftAlone}
		if ask {
			p = probe(ctx, name, s.Providers[name])
		}
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("check payment provider %s: %w", name, err) // what ended was the time of the task, not the provider
		}
		if p.Result == billing.ProbeRefused {
			slog.WarnContext(ctx, "payment provider answers, but not as it should", "provider", name, "error", p.Error)
		}
		probes = append(probes, p)
	}
	return func(tx *gorm.DB) (*subscriptionspb.CheckPaymentGatewayHealthResult, error) {
		standings, err := billing.RecordProbes(tx, probes)
		if err != nil {
			return nil, fmt.Errorf("check payment providers: %w", err)
		}
		result := &subscriptionspb.CheckPaymentGatewayHealthResult{Status: "done"}
		for i, g := range standings {
			result.Gateways = append(result.Gateways, &subscriptionspb.GatewayHealth{
				Provider: g.Provider, State: g.State, Probe: string(probes[i].Result), LatencyMs: probes[i].Latency.Milliseconds(), ConsecutiveFailures: int32(g.Failures),
			})
		}
		result.Mails, err = s.tellOutages(ctx, tx)
		return result, err
	}, nil
}

// probe asks one provider, once.
func probe(ctx context.Context, name string, provider payments.Provider) billing.Probe {
	began := time.Now()
	err := provider.Probe(ctx)
	p := billing.Probe{Provider: name, Result: billing.ProbeOK, Latency: time.Since(began)}
	switch {
	case errors.Is(err, payments.ErrUnavailable):
		p.Result, p.Latency, p.Error = billing.ProbeUnavailable, 0, err.Error()
	case err != nil:
		p.Result, p.Error = billing.ProbeRefused, err.Error()
	}
	return p
}

// tellOutages queues a mail to the platform for each outage that began or ended, and returns how many are new.
func (s *Subscriptions) tellOutages(ctx context.Context, tx *gorm.DB) (int32, error) {
	outages, err := billing.TakeOutages(tx)
	if err != nil {
		return 0, fmt.Errorf("tell of outages: %w", err)
	}
	if s.PlatformEmail == "" {
		if len(outages) > 0 {
			slog.WarnContext(ctx, "a payment provider went down or recovered, and nobody is mailed: PLATFORM_EMAIL is not set", "outages", len(outages))
		}
		return 0, nil
	}
	mails := make([]notifications.Email, len(outages))
	for i, o := range outages {
		mails[i] = outageMail(s.PlatformEmail, o)
	}
	queued, err := notifications.QueueAll(ctx, tx, s.Mail, mails)
	if err != nil {
		return 0, fmt.Errorf("tell of outages: %w", err)
	}
	var fresh int32
	for _, q := range queued {
		if q.Err != nil {
			return 0, fmt.Errorf("tell of outages: %w", q.Err)
		}
		if q.New {
			fresh++
		}
	}
	return fresh, nil
}

// outageMail says that an outage began, or that it is over.
func outageMail(to string, o billing.Outage) notifications.Email {
	key := "gateway:" + o.Provider + ":" + o.OpenedAt.UTC().Format(time.RFC3339Nano)
	if o.ClosedAt == nil {
		return notifications.Email{Key: key + ":down", To: to, Content: notifications.GatewayDown{Provider: o.Provider, Since: o.OpenedAt.UTC(), Error: o.Error}}
	}
	return notifications.Email{Key: key + ":recovered", To: to, Content: notifications.GatewayRecovered{Provider: o.Provider, Since: o.OpenedAt.UTC(), RecoveredAt: o.ClosedAt.UTC(), Error: o.Error}}
}
