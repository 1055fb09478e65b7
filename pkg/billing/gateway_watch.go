package billing

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"gorm.io/gorm"

	"makola/pkg/postgres"
)

// lookEvery is how old what GatewayWatch shows may be: as old as what a scrape every 15 seconds shows at most.
const lookEvery = 15 * time.Second

// GatewayWatch shows the state of each payment provider's breaker, which is one for all processes, among the metrics of this one: as it last saw it, so while the database
// is away the last state stays. It is a service.Component.
type GatewayWatch struct {
	db        *postgres.DB
	providers []string
	state     *prometheus.GaugeVec

	cancel context.CancelFunc
	work   sync.WaitGroup
}

// NewGatewayWatch makes a watch of the providers of those names. db is opened with a role that may read billing.gateway_health. A nil metrics shows them to nobody.
func NewGatewayWatch(db *postgres.DB, providers []string, metrics prometheus.Registerer) *GatewayWatch {
	w := &GatewayWatch{db: db, providers: providers, state: prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "makola_payment_provider_breaker",
		Help: "State of a payment provider's breaker, which all processes share, as this one last saw it: 0 closed, 1 half open (a checkout was let through, to see), 2 open.",
	}, []string{"provider"})}
	if metrics != nil {
		metrics.MustRegister(w.state)
	}
	return w
}

// Look reads the states once and shows them. A provider without a row has not been called yet, so nothing speaks against it.
func (w *GatewayWatch) Look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, observeTime)
	defer cancel()
	seen := map[string]float64{}
	err := w.db.InSystem(ctx, func(tx *gorm.DB) error {
		return query(tx, "read health of providers", `
			select provider, case state when 'CLOSED' then 0 when 'HALF_OPEN' then 1 else 2 end::float8 from billing.gateway_health where provider = any ($1)`,
			func(rows pgx.Rows) error {
				var provider string
				var state float64
				err := rows.Scan(&provider, &state)
				seen[provider] = state
				return err
			}, w.providers)
	})
	if err != nil {
		return fmt.Errorf("look at payment providers: %w", err)
	}
	for _, provider := range w.providers {
		w.state.WithLabelValues(provider).Set(seen[provider])
	}
	return nil
}

// Start begins to look, at once and then every 15 seconds. The context bounds the start only.
func (w *GatewayWatch) Start(ctx context.Context) error {
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	w.cancel = cancel
	w.work.Go(func() {
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		for {
			if err := w.Look(run); err != nil && run.Err() == nil {
				slog.WarnContext(run, "state of payment providers not read; the metric keeps the last one", "error", err)
			}
			select {
			case <-run.Done():
				return
			case <-tick.C:
			}
		}
	})
	return nil
}

// Stop ends the look at hand.
func (w *GatewayWatch) Stop(context.Context) error {
	w.cancel()
	w.work.Wait()
	return nil
}
