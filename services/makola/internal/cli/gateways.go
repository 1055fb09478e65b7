package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"gorm.io/gorm"

	"makola/pkg/billing"
)

func newGateways(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "gateways", Short: "Show how the payment providers fare",
		Long: `Shows every payment provider that was ever called: its breaker, which all processes share, what it answered when it was asked last, and its last 24 hours.
--output json has the latest outages of each as well.`,
		Args: known,
		RunE: func(c *cobra.Command, _ []string) error {
			db, err := e.openDatabase(c.Context())
			if err != nil {
				return err
			}
			defer func() { _ = db.Close() }()
			var list []billing.Gateway
			err = db.InSystem(c.Context(), func(tx *gorm.DB) (err error) {
				list, err = billing.Gateways(tx, nil)
				return err
			})
			if err != nil {
				return err
			}
			return printGateways(e, list)
		},
	}
}

// gatewayLine is a payment provider as makola shows it.
type gatewayLine struct {
	Provider      string       `json:"provider"`
	State         string       `json:"state"`
	Failures      int          `json:"consecutive_failures"`
	OpenedAt      *time.Time   `json:"opened_at,omitempty"`
	LastSuccessAt *time.Time   `json:"last_success_at,omitempty"`
	LastError     string       `json:"last_error,omitempty"`
	Probe         *probeLine   `json:"last_probe,omitempty"`
	Probes        int          `json:"probes_24h"`
	Unanswered    int          `json:"unanswered_24h"`
	MeanLatencyMS int64        `json:"mean_latency_ms_24h"`
	Outages       []outageLine `json:"outages"`
}

type probeLine struct {
	At        time.Time `json:"at"`
	Result    string    `json:"result"`
	LatencyMS int64     `json:"latency_ms"`
	Error     string    `json:"error,omitempty"`
}

type outageLine struct {
	OpenedAt time.Time  `json:"opened_at"`
	ClosedAt *time.Time `json:"closed_at,omitempty"`
	Error    string     `json:"error,omitempty"`
}

func printGateways(e *env, list []billing.Gateway) error {
	lines := []gatewayLine{}
	rows := [][]string{}
	for _, g := range list {
		l := gatewayLine{Provider: g.Provider, State: g.State, Failures: g.Failures, OpenedAt: g.OpenedAt, LastSuccessAt: g.LastSuccessAt, LastError: g.LastError, Probes: g.Probes, Unanswered: g.Unanswered,
			MeanLatencyMS: g.MeanLatency.Milliseconds(), Outages: []outageLine{}}
		probe, latency := "-", "-"
		if g.Last != nil {
			l.Probe = &probeLine{At: g.LastAt.UTC(), Result: string(g.Last.Result), LatencyMS: g.Last.Latency.Milliseconds(), Error: g.Last.Error}
			probe = l.Probe.Result + " at " + clock(&g.LastAt)
			if l.Probe.LatencyMS > 0 {
				latency = fmt.Sprintf("%d ms", l.Probe.LatencyMS)
			}
		}
		for _, o := range g.Outages {
			l.Outages = append(l.Outages, outageLine{OpenedAt: o.OpenedAt.UTC(), ClosedAt: o.ClosedAt, Error: o.Error})
		}
		note := ""
		switch {
		case g.OpenedAt != nil || g.Failures > 0:
			note = oneLine(g.LastError, 60)
		case g.Last != nil:
			note = oneLine(g.Last.Error, 60)
		}
		lines = append(lines, l)
		rows = append(rows, []string{g.Provider, g.State, clock(g.OpenedAt), fmt.Sprint(g.Failures), probe, latency, fmt.Sprintf("%d of %d", g.Unanswered, g.Probes), note})
	}
	return e.print(lines, []string{"PROVIDER", "BREAKER", "DOWN SINCE", "FAILURES", "LAST PROBE", "LATENCY", "UNANSWERED 24H", "ERROR"}, rows)
}
