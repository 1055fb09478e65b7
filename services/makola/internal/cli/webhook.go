package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"
	"gorm.io/gorm"

	"makola/pkg/audit"
	"makola/pkg/billing"
	"makola/pkg/postgres"
	"makola/pkg/task"
	"makola/proto/contract"
	aifeatures "makola/proto/makola/ai_features/v1"
)

func newWebhook(e *env) *cobra.Command {
	c := group("webhook", "Show what payment providers reported, and act on it again", newWebhookList(e), newWebhookShow(e), newWebhookReplay(e))
	c.Long = `Every event whose signature was right is stored as it came. A wrong signature stores nothing: makola_webhook_requests_total{outcome="bad_signature"} of the
gateway counts those.`
	return c
}

func newWebhookList(e *env) *cobra.Command {
	var f billing.EventFilter
	var before string
	c := &cobra.Command{
		Use: "list", Short: "List events, newest first", Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			if before != "" {
				id, err := parseID(before)
				if err != nil {
					return err
				}
				f.Before = id
			}
			var events []billing.ReceivedEvent
			err := e.inSystem(c.Context(), func(tx *gorm.DB) (err error) {
				events, err = billing.ReceivedEvents(tx, f)
				return err
			})
			if err != nil {
				return err
			}
			rows := make([][]string, len(events))
			for i, w := range events {
				rows[i] = []string{w.ID.String(), w.Provider, w.Type, w.Reference, signature(w.Trusted), fmt.Sprint(w.Duplicates), w.State, clock(&w.ReceivedAt)}
			}
			return e.print(events, []string{"ID", "PROVIDER", "TYPE", "REFERENCE", "SIGNATURE", "AGAIN", "STATE", "RECEIVED"}, rows)
		},
	}
	c.Flags().StringVar(&f.State, "state", "", "only this state: received, processed, ignored, review or unmatched")
	c.Flags().StringVar(&f.Reference, "reference", "", "only events about this payment; reads the whole table")
	c.Flags().StringVar(&f.Provider, "provider", "", "only this provider's")
	c.Flags().StringVar(&before, "before", "", "only events older than the one with this id; continues a list")
	c.Flags().IntVar(&f.Limit, "limit", 20, "most events to list, up to 100")
	return c
}

// signature says what the signature was worth.
func signature(trusted bool) string {
	if trusted {
		return "covers the body"
	}
	return "a hint only"
}

// webhookStory is one event with everything that followed.
type webhookStory struct {
	billing.ReceivedEvent
	Body string `json:"body"`
	// Again are the times at which the provider sent it again; nothing acted on those.
	Again []time.Time `json:"again"`
	// Tasks are those that act on it, and what followed from them; Replays what operators did.
	Tasks   []taskLine   `json:"tasks"`
	Replays []replayLine `json:"replays"`
}

type replayLine struct {
	At     time.Time       `json:"at"`
	Actor  string          `json:"actor"`
	Detail json.RawMessage `json:"detail"`
	task   uuid.UUID
}

func newWebhookShow(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show one event: its body without personal data, what its signature was worth, and what followed", Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			id, err := parseID(args[0])
			if err != nil {
				return err
			}
			var s *webhookStory
			err = e.inSystem(c.Context(), func(tx *gorm.DB) (err error) {
				s, err = tellWebhook(tx, id)
				return err
			})
			if err != nil {
				return err
			}
			return e.printWebhook(s)
		},
	}
}

func tellWebhook(tx *gorm.DB, id uuid.UUID) (*webhookStory, error) {
	w, body, err := billing.ReceivedEventByID(tx, id)
	if err != nil {
		return nil, err
	}
	s := &webhookStory{ReceivedEvent: *w, Body: billing.RedactEvent(body), Tasks: []taskLine{}}
	if s.Again, err = billing.EventRepetitions(tx, id); err != nil {
		return nil, err
	}
	if s.Replays, err = replaysOf(tx, id); err != nil {
		return nil, err
	}
	began := []uuid.UUID{w.Task}
	for _, r := range s.Replays {
		began = append(began, r.task)
	}
	for _, t := range began {
		if t == uuid.Nil {
			continue
		}
		list, err := family(tx, t)
		if err != nil {
			return nil, err
		}
		s.Tasks = append(s.Tasks, list...)
	}
	return s, nil
}

func replaysOf(tx *gorm.DB, id uuid.UUID) (list []replayLine, err error) {
	list = []replayLine{}
	err = postgres.Query(tx, func(rows pgx.Rows) error {
		for rows.Next() {
			var r replayLine
			if err := rows.Scan(&r.At, &r.Actor, &r.Detail); err != nil {
				return err
			}
			var d struct {
				Task uuid.UUID `json:"task"`
			}
			if err := json.Unmarshal(r.Detail, &d); err != nil {
				return err
			}
			r.task = d.Task
			list = append(list, r)
		}
		return rows.Err()
	}, `select at, actor, changes from audit.entry where tenant_id is null and entity = 'webhook_event' and entity_id = $1 and action = 'webhook.replayed' order by id`, id.String())
	if err != nil {
		return nil, fmt.Errorf("read replays of event %s: %w", id, err)
	}
	return list, nil
}

func (e *env) printWebhook(s *webhookStory) error {
	if e.format == "json" {
		return e.print(s, nil, nil)
	}
	rows := [][]string{{"event", s.ID.String()}, {"provider", s.Provider}, {"type", s.Type}, {"about", s.Kind + " " + s.Return}, {"reference", s.Reference}, {"amount", s.Amount},
		{"transaction", s.TransactionID}, {"signature", signature(s.Trusted)}, {"state", s.State + " " + s.Note}, {"received", clock(&s.ReceivedAt)}, {"finished", clock(s.FinishedAt)},
		{"dedupe key", s.DedupeKey}}
	for i := range s.Again {
		rows = append(rows, []string{"again", clock(&s.Again[i]) + " (duplicate, nothing done)"})
	}
	for _, r := range s.Replays {
		rows = append(rows, []string{"replayed", clock(&r.At) + " by " + r.Actor})
	}
	if err := e.print(nil, nil, rows); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(e.out, "\nbody\n%s\n", s.Body)
	if len(s.Tasks) == 0 {
		return nil
	}
	return e.section("what followed", familyRows(s.Tasks, s.Task))
}

func newWebhookReplay(e *env) *cobra.Command {
	var r request
	c := &cobra.Command{
		Use: "replay ID", Short: "Act on a stored event again",
		Long: "Enqueues ai_features.process_webhook_event for the event. What it has brought about already stays and is not brought about twice.\n" + requestHelp,
		Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			id, err := parseID(args[0])
			if err != nil {
				return err
			}
			if err := r.decided(); err != nil {
				return err
			}
			return r.run(c.Context(), e, func(tx *gorm.DB, tasks *aifeatures.Tasks) (contract.ID, error) {
				w, _, err := billing.ReceivedEventByID(tx, id)
				if err != nil {
					return uuid.Nil, err
				}
				next, err := uuid.NewV7()
				if err != nil {
					return uuid.Nil, errors.New("make task id")
				}
				if err := audit.Record(tx, audit.Entry{Actor: "operator:" + r.actor, Action: "webhook.replayed", Entity: "webhook_event", EntityID: w.ID.String(),
					Changes: map[string]any{"reason": r.reason, "task": next, "state": w.State}}); err != nil {
					return uuid.Nil, err
				}
				return tasks.ProcessWebhookEvent(c.Context(), tx, &aifeatures.ProcessWebhookEventArgs{EventId: w.ID.String()}, task.WithID(next))
			})
		},
	}
	r.flags(e, c)
	return c
}
