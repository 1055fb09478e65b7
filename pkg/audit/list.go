package audit

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/postgres"
)

// Filter chooses entries; nil and zero members choose all.
type Filter struct {
	// Before is the last id of the page before; Limit is the size of the page.
	Before uuid.UUID
	Limit  int
	// From is the first instant, To the first one that is too late.
	From, To       *time.Time
	User           *uuid.UUID
	Action, Entity *string
	// Actor and EntityID are compared in full. Tenant is a business, for who sees the entries of all; Platform chooses what was done to the platform alone.
	Actor, EntityID *string
	Tenant          *uuid.UUID
	Platform        bool
}

// Recorded is one entry as it was written.
type Recorded struct {
	ID uuid.UUID
	// Tenant is nil for what was done to the platform.
	Tenant *uuid.UUID
	At     time.Time
	User   *uuid.UUID
	Actor  string
	Action string
	// Entity is the kind of thing, EntityID which one, and Changes a JSON object.
	Entity, EntityID string
	Changes          json.RawMessage
	IP, UserAgent    string
}

// List returns the entries that tx may see, newest first.
func List(tx *gorm.DB, f Filter) ([]Recorded, error) {
	list := []Recorded{}
	err := postgres.Query(tx, func(rows pgx.Rows) error {
		for rows.Next() {
			var e Recorded
			if err := rows.Scan(&e.ID, &e.Tenant, &e.At, &e.User, &e.Actor, &e.Action, &e.Entity, &e.EntityID, &e.Changes, &e.IP, &e.UserAgent); err != nil {
				return err
			}
			list = append(list, e)
		}
		return rows.Err()
	}, `select id, tenant_id, at, user_id, actor, action, entity, entity_id, changes, ip, user_agent from audit.entry
		 where ($1::uuid is null or id < $1) and ($2::timestamptz is null or at >= $2) and ($3::timestamptz is null or at < $3)
		   and ($4::uuid is null or user_id = $4) and ($5::text is null or action = $5) and ($6::text is null or entity = $6)
		   and ($8::text is null or actor = $8) and ($9::text is null or entity_id = $9) and ($10::uuid is null or tenant_id = $10) and (not $11 or tenant_id is null)
		 order by id desc limit $7`, optional(f.Before), f.From, f.To, f.User, f.Action, f.Entity, f.Limit, f.Actor, f.EntityID, f.Tenant, f.Platform)
	if err != nil {
		return nil, fmt.Errorf("list audit entries: %w", err)
	}
	return list, nil
}
