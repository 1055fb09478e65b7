package cli

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"gorm.io/gorm"

	"makola/pkg/audit"
)

// maxEntries is the most entries of the audit log that are listed at once.
const maxEntries = 1000

func newAudit(e *env) *cobra.Command {
	var f audit.Filter
	var business, user, before, from, to, action, entity, actor, entityID string
	c := &cobra.Command{
		Use: "audit", Short: "List who did what, newest first",
		Long: `Lists the audit log of all businesses and of the platform, or what the flags leave of it. What operators decided about single tasks and dead letters is told by makola task show and makola dead show.
A page goes on with --before and the id of its last entry.`,
		Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			if f.Limit < 1 || f.Limit > maxEntries {
				return fmt.Errorf("%w: --limit is %d; write a number from 1 to %d", errUsage, f.Limit, maxEntries)
			}
			for _, id := range []struct {
				text string
				set  func(uuid.UUID)
			}{{business, func(id uuid.UUID) { f.Tenant = &id }}, {user, func(id uuid.UUID) { f.User = &id }}, {before, func(id uuid.UUID) { f.Before = id }}} {
				if id.text == "" {
					continue
				}
				parsed, err := parseID(id.text)
				if err != nil {
					return err
				}
				id.set(parsed)
			}
			for _, at := range []struct {
				flag, text string
				to         **time.Time
			}{{"--from", from, &f.From}, {"--to", to, &f.To}} {
				if at.text == "" {
					continue
				}
				parsed, err := time.Parse(time.RFC3339, at.text)
				if err != nil {
					return fmt.Errorf("%w: %s is %q; write 2026-03-31T18:00:00Z", errUsage, at.flag, at.text)
				}
				*at.to = &parsed
			}
			for _, text := range []struct {
				text string
				to   **string
			}{{action, &f.Action}, {entity, &f.Entity}, {actor, &f.Actor}, {entityID, &f.EntityID}} {
				if text.text != "" {
					*text.to = &text.text
				}
			}
			return e.listAudit(c, f)
		},
	}
	c.Flags().StringVar(&business, "business", "", "only what was done in this business")
	c.Flags().BoolVar(&f.Platform, "platform", false, "only what was done to the platform: schedules, calls, decisions of operators")
	c.Flags().StringVar(&actor, "actor", "", "only what this actor did: an e-mail address, operator:ama, task:ai_features.expire_credits")
	c.Flags().StringVar(&user, "user", "", "only what the person with this id did")
	c.Flags().StringVar(&action, "action", "", "only this action, such as LOGIN or schedule.paused")
	c.Flags().StringVar(&entity, "entity", "", "only what was done to this kind of thing, such as schedule")
	c.Flags().StringVar(&entityID, "id", "", "only what was done to the thing with this id, such as verify-ledger")
	c.Flags().StringVar(&from, "from", "", "only entries at this time or later, RFC 3339")
	c.Flags().StringVar(&to, "to", "", "only entries before this time, RFC 3339")
	c.Flags().StringVar(&before, "before", "", "only entries older than the one with this id; continues a list")
	c.Flags().IntVar(&f.Limit, "limit", 50, fmt.Sprintf("most entries to list, up to %d", maxEntries))
	return c
}

func (e *env) listAudit(c *cobra.Command, f audit.Filter) error {
	var log []audit.Recorded
	err := e.inSystem(c.Context(), func(tx *gorm.DB) (err error) {
		log, err = audit.List(tx, f)
		return err
	})
	if err != nil {
		return err
	}
	type line struct {
		ID        uuid.UUID       `json:"id"`
		At        time.Time       `json:"at"`
		Tenant    *uuid.UUID      `json:"tenant_id"`
		User      *uuid.UUID      `json:"user_id"`
		Actor     string          `json:"actor"`
		Action    string          `json:"action"`
		Entity    string          `json:"entity"`
		EntityID  string          `json:"entity_id"`
		Changes   json.RawMessage `json:"changes"`
		IP        string          `json:"ip"`
		UserAgent string          `json:"user_agent"`
	}
	list, rows := []line{}, [][]string{}
	for _, r := range log {
		list = append(list, line{r.ID, r.At.UTC(), r.Tenant, r.User, r.Actor, r.Action, r.Entity, r.EntityID, r.Changes, r.IP, r.UserAgent})
		where := "platform"
		if r.Tenant != nil {
			where = r.Tenant.String()
		}
		rows = append(rows, []string{r.ID.String(), clock(&r.At), where, r.Actor, r.Action, r.Entity + " " + r.EntityID, oneLine(string(r.Changes), 120)})
	}
	return e.print(list, []string{"ID", "AT", "BUSINESS", "ACTOR", "ACTION", "THING", "CHANGES"}, rows)
}
