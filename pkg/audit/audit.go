// Package audit keeps the log of who did what. Entries are written in the transaction of the change they speak of, so that neither exists without the
// other, and nobody can change or remove one afterwards.
package audit

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/postgres"
)

// Actions that several contexts share. An entry may also name an event of its own, in the form "refund.approved".
const (
	Create   = "CREATE"
	Update   = "UPDATE"
	Delete   = "DELETE"
	Login    = "LOGIN"
	Logout   = "LOGOUT"
	Sale     = "SALE"
	Transfer = "TRANSFER"
	Payment  = "PAYMENT"
)

// Entry is one thing that somebody did.
type Entry struct {
	// Tenant is the business it was done to; uuid.Nil means the platform, which only a system transaction may write.
	Tenant uuid.UUID
	// User is the signed-in person; uuid.Nil when an operator or a task did it.
	User uuid.UUID
	// Actor names who did it for readers: an e-mail address, "operator:kofi", "task:ai_features.expire_credits". Required.
	Actor string
	// Action is one of the constants above or a dotted event. Required.
	Action string
	// Entity is the kind of thing, such as "membership", and EntityID which one.
	Entity, EntityID string
	// Changes says what changed, as a JSON object of at most 64 KiB: usually {"field": [before, after]}. No secrets.
	Changes any
	// IP and UserAgent are the client's, when there is one.
	IP, UserAgent string
}

// maxUserAgent bounds what a stranger can leave in the log.
const maxUserAgent = 300

// Record writes the entries in tx, in one statement.
//
// Errors: an entry without actor or action; postgres.ErrNoTransaction; whatever the database says.
func Record(tx *gorm.DB, entries ...Entry) error {
	if err := postgres.RequireTx(tx); err != nil {
		return fmt.Errorf("record audit entries: %w", err)
	}
	if len(entries) == 0 {
		return nil
	}
	n := len(entries)
	ids, tenants, users := make([]uuid.UUID, n), make([]*uuid.UUID, n), make([]*uuid.UUID, n)
	text := make([][]string, 7)
	for i, e := range entries {
		if e.Actor == "" || e.Action == "" {
			return errors.New("record audit entry: actor and action are required")
		}
		changes := "{}"
		if e.Changes != nil {
			raw, err := json.Marshal(e.Changes)
			if err != nil {
				return fmt.Errorf("record audit entry %s: encode changes: %w", e.Action, err)
			}
			changes = string(raw)
		}
		id, err := uuid.NewV7()
		if err != nil {
			return fmt.Errorf("record audit entry %s: make id: %w", e.Action, err)
		}
		ids[i], tenants[i], users[i] = id, optional(e.Tenant), optional(e.User)
		agent := []rune(e.UserAgent)
		for k, v := range []string{e.Actor, e.Action, e.Entity, e.EntityID, changes, e.IP, string(agent[:min(len(agent), maxUserAgent)])} {
			text[k] = append(text[k], v)
		}
	}
	_, err := postgres.Exec(tx, `
		insert into audit.entry (id, tenant_id, user_id, actor, action, entity, entity_id, changes, ip, user_agent)
		select e.id, e.tenant, e.usr, e.actor, e.action, e.entity, e.entity_id, e.changes::jsonb, e.ip, e.agent
		  from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[])
		       as e (id, tenant, usr, actor, action, entity, entity_id, changes, ip, agent)`,
		ids, tenants, users, text[0], text[1], text[2], text[3], text[4], text[5], text[6])
	if err != nil {
		return fmt.Errorf("record %d audit entries: %w", n, err)
	}
	return nil
}

func optional(id uuid.UUID) *uuid.UUID {
	if id == uuid.Nil {
		return nil
	}
	return &id
}
