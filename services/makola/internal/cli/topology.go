package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"makola/pkg/rabbit"
)

// brokerWait is how long a command waits for a broker that does not answer; a fresh one needs some 10 s to start.
const brokerWait = 30 * time.Second

func newTopology(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "topology", Short: "Declare the broker's exchanges and queues, and list them",
		Long: `Declares every exchange and queue at the broker that AMQP_URL names, whose user must be allowed to configure (the administrator), and
prints them with the messages that wait. What exists already stays as it is. An existing queue with other arguments is an error (406): the
broker cannot change arguments, so the queue has to be drained and deleted first; no task is lost by that, because tasks are rows.`,
		Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			topology := rabbit.Standard(rabbit.Queues()...)
			conn, err := e.connect(c.Context(), "makola topology", topology)
			if err != nil {
				return err
			}
			defer stop(c.Context(), conn)
			return e.printTopology(c.Context(), conn, topology)
		},
	}
}

// declared is one line of the list.
type declared struct {
	Kind     string `json:"kind"`
	Name     string `json:"name"`
	Type     string `json:"type"`
	Messages *int   `json:"messages,omitempty"`
}

func (e *env) printTopology(ctx context.Context, conn *rabbit.Conn, topology rabbit.Topology) error {
	var list []declared
	var rows [][]string
	for _, x := range topology.Exchanges {
		list = append(list, declared{Kind: "exchange", Name: x.Name, Type: x.Kind})
		rows = append(rows, []string{"exchange", x.Name, x.Kind, "-"})
	}
	for _, q := range topology.Queues {
		depth, err := conn.QueueDepth(ctx, q.Name)
		if err != nil {
			return err
		}
		kind, _ := q.Args["x-queue-type"].(string)
		list = append(list, declared{Kind: "queue", Name: q.Name, Type: kind, Messages: &depth})
		rows = append(rows, []string{"queue", q.Name, kind, fmt.Sprint(depth)})
	}
	return e.print(list, []string{"KIND", "NAME", "TYPE", "MESSAGES"}, rows)
}

// connect returns a started connection that has declared topology, or the reason why there is none. The caller stops it.
func (e *env) connect(ctx context.Context, name string, topology rabbit.Topology) (*rabbit.Conn, error) {
	var cfg brokerConfig
	if err := e.load(&cfg); err != nil {
		return nil, err
	}
	conn := rabbit.New(rabbit.Config{URL: cfg.URL.Reveal(), Name: name, Declare: true}, topology, slog.New(slog.DiscardHandler))
	if err := conn.Start(ctx); err != nil {
		return nil, err
	}
	begin := time.Now()
	wait, cancel := context.WithTimeout(ctx, brokerWait)
	defer cancel()
	for {
		err := conn.Ready(ctx)
		switch {
		case err == nil:
			return conn, nil
		case errors.Is(err, rabbit.ErrTopology):
			stop(ctx, conn)
			return nil, err
		case !pause(wait, 50*time.Millisecond):
			stop(ctx, conn)
			return nil, fmt.Errorf("RabbitMQ did not accept a connection within %s; check that it runs and that AMQP_URL is right: %w", time.Since(begin).Round(time.Second), err)
		}
	}
}

func stop(ctx context.Context, conn *rabbit.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	_ = conn.Stop(ctx)
}
