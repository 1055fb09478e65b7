package webhooks

import (
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/audit"
	"makola/pkg/outbound"
)

// MaxEndpoints is how many endpoints a business may have: each is one request more for every event.
const MaxEndpoints = 10

// maxDescription is the longest description, in characters.
const maxDescription = 200

// Overlap is how long the secret before signs beside a new one.
const Overlap = 24 * time.Hour

// State is whether an endpoint is told of events.
type State string

// The states of an endpoint. One that was taken away is not shown any more.
const (
	Active   State = "ACTIVE"
	Disabled State = "DISABLED"
)

// Reason is why an endpoint is disabled.
type Reason string

// The reasons.
const (
	ByOwner Reason = "OWNER"   // somebody of the business switched it off
	Failing Reason = "FAILING" // nothing got through for three days
	Gone    Reason = "GONE"    // it answered 410
)

// entity is what the audit log calls an endpoint.
const entity = "webhook_endpoint"

// Endpoint is where a business wants to be told, and of what.
type Endpoint struct {
	ID          uuid.UUID
	URL         string
	Description string
	Kinds       []Kind
	State       State
	// Reason and DisabledAt are set while it is disabled.
	Reason     Reason
	DisabledAt *time.Time
	// FailingSince is when the first attempt failed since the last that succeeded; nil when that one succeeded.
	FailingSince *time.Time
	// RotatedUntil is until when the secret before signs as well; nil when there is none.
	RotatedUntil         *time.Time
	CreatedAt, UpdatedAt time.Time
}

// Endpoints keeps them. Safe for concurrent use.
type Endpoints struct {
	// Keys encrypt their secrets. Nil makes no secrets: ErrNoKeys.
	Keys *Keys
	// Outbound is what the notifier sends with: what it would not dial is refused here.
	Outbound outbound.Config
}

// Wish is what somebody wants an endpoint to be; nil leaves it as it is.
type Wish struct {
	URL         *string
	Description *string
	Kinds       *[]Kind
	Enabled     *bool
}

// check refuses what cannot be.
func (e *Endpoints) check(w Wish) error {
	if w.URL != nil {
		if err := checkURL(*w.URL, e.Outbound); err != nil {
			return err
		}
	}
	if w.Description != nil && utf8.RuneCountInString(*w.Description) > maxDescription {
		return fault("description", "too_long", fmt.Sprintf("must have at most %d characters", maxDescription))
	}
	if w.Kinds == nil {
		return nil
	}
	if len(*w.Kinds) == 0 {
		return fault("kinds", "required", "must name an event at least")
	}
	for _, k := range *w.Kinds {
		if !slices.Contains(Kinds(), k) {
			return fault("kinds", "unknown", fmt.Sprintf("must not name %.40q, which is no event", k))
		}
	}
	return nil
}

// texts are the kinds in order, each once.
func texts(kinds []Kind) []string {
	list := make([]string, len(kinds))
	for i, k := range kinds {
		list[i] = string(k)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// Create adds an endpoint to the business that tx is bound to, and returns its secret, which nobody is shown again. URL and Kinds are required.
// Errors: faults of the wish, ErrTooMany, ErrNoKeys.
func (e *Endpoints) Create(tx *gorm.DB, who audit.Entry, w Wish) (*Endpoint, string, error) {
	business, err := owner(tx)
	if err != nil {
		return nil, "", fmt.Errorf("create endpoint: %w", err)
	}
	if e.Keys == nil {
		return nil, "", ErrNoKeys
	}
	if err := e.check(w); err != nil {
		return nil, "", err
	}
	description := ""
	if w.Description != nil {
		description = *w.Description
	}
	id, err := newID("endpoint")
	if err != nil {
		return nil, "", err
	}
	secret, err := newSecret()
	if err != nil {
		return nil, "", err
	}
	// One at a time, or two would both be the tenth.
	if _, err := exec(tx, "take turns", `select pg_advisory_xact_lock(hashtextextended('webhooks.endpoint ' || $1::text, 0))`, business); err != nil {
		return nil, "", err
	}
	n, err := exec(tx, "create endpoint", `
		insert into webhooks.endpoint (tenant_id, id, url, description, kinds, secret, created_by)
		select $1, $2, $3, $4, $5, $6, $7 where (select count(*) from webhooks.endpoint where tenant_id = $1 and state <> 'DELETED') < $8`,
		business, id, *w.URL, description, texts(*w.Kinds), e.Keys.seal(business, id, secret), who.User, MaxEndpoints)
	switch {
	case err != nil:
		return nil, "", err
	case n == 0:
		return nil, "", ErrTooMany
	}
	if err := record(tx, who, business, audit.Create, id, map[string]any{"host": hostOf(*w.URL), "kinds": texts(*w.Kinds)}); err != nil {
		return nil, "", err
	}
	made, err := Get(tx, id)
	return made, secret, err
}

func record(tx *gorm.DB, who audit.Entry, business uuid.UUID, action string, id uuid.UUID, changes map[string]any) error {
	who.Tenant, who.Action, who.Entity, who.EntityID = business, action, entity, id.String()
	if changes != nil {
		who.Changes = changes
	}
	return audit.Record(tx, who)
}

const endpointSQL = `
	select id, url, description, kinds, state, reason, disabled_at, failing_since, case when previous_until > now() then previous_until end, created_at, updated_at
	  from webhooks.endpoint where state <> 'DELETED'`

func endpoints(tx *gorm.DB, where string, args ...any) ([]Endpoint, error) {
	list := []Endpoint{}
	err := query(tx, "read endpoints", endpointSQL+where, func(rows pgx.Rows) error {
		var e Endpoint
		var kinds []string
		err := rows.Scan(&e.ID, &e.URL, &e.Description, &kinds, &e.State, &e.Reason, &e.DisabledAt, &e.FailingSince, &e.RotatedUntil, &e.CreatedAt, &e.UpdatedAt)
		for _, k := range kinds {
			e.Kinds = append(e.Kinds, Kind(k))
		}
		list = append(list, e)
		return err
	}, args...)
	return list, err
}

// List returns the endpoints of the business that tx is bound to, the newest first.
func List(tx *gorm.DB) ([]Endpoint, error) { return endpoints(tx, ` order by id desc`) }

// Get returns one endpoint. Errors: ErrNotFound.
func Get(tx *gorm.DB, id uuid.UUID) (*Endpoint, error) { return one(tx, id, "") }

func one(tx *gorm.DB, id uuid.UUID, lock string) (*Endpoint, error) {
	list, err := endpoints(tx, ` and id = $1`+lock, id)
	switch {
	case err != nil:
		return nil, err
	case len(list) == 0:
		return nil, ErrNotFound
	}
	return &list[0], nil
}

const forUpdate = ` for no key update`

// Change changes an endpoint. What waits for one that is disabled is given up; one that is enabled again begins anew. Errors: ErrNotFound, faults of the wish.
func (e *Endpoints) Change(tx *gorm.DB, who audit.Entry, id uuid.UUID, w Wish) (*Endpoint, error) {
	business, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("change endpoint: %w", err)
	}
	if err := e.check(w); err != nil {
		return nil, err
	}
	was, err := one(tx, id, forUpdate)
	if err != nil {
		return nil, err
	}
	now, changes := *was, map[string]any{}
	if w.URL != nil && *w.URL != was.URL {
		now.URL = *w.URL
		changes["host"] = [2]string{hostOf(was.URL), hostOf(now.URL)}
	}
	if w.Description != nil && *w.Description != was.Description {
		now.Description = *w.Description
		changes["description"] = [2]string{was.Description, now.Description}
	}
	if w.Kinds != nil && !slices.Equal(texts(*w.Kinds), texts(was.Kinds)) {
		now.Kinds = *w.Kinds
		changes["kinds"] = [2][]string{texts(was.Kinds), texts(now.Kinds)}
	}
	if w.Enabled != nil && *w.Enabled != (was.State == Active) {
		now.State, now.Reason = Active, ""
		if !*w.Enabled {
			now.State, now.Reason = Disabled, ByOwner
		}
		changes["state"] = [2]State{was.State, now.State}
	}
	if len(changes) == 0 {
		return was, nil
	}
	_, err = exec(tx, "change endpoint", `
		update webhooks.endpoint set url = $3, description = $4, kinds = $5, state = $6, reason = $7, disabled_at = case when $6 = 'ACTIVE' then null else coalesce(disabled_at, now()) end,
		       failures = case when $8 then 0 else failures end, failing_since = case when $8 then null else failing_since end, retry_at = case when $8 then null else retry_at end, updated_at = now()
		 where tenant_id = $1 and id = $2`,
		business, id, now.URL, now.Description, texts(now.Kinds), string(now.State), string(now.Reason), now.State != was.State || now.URL != was.URL)
	if err != nil {
		return nil, err
	}
	if now.State == Disabled && was.State == Active {
		if err := giveUp(tx, business, id); err != nil {
			return nil, err
		}
	}
	if err := record(tx, who, business, audit.Update, id, changes); err != nil {
		return nil, err
	}
	return Get(tx, id)
}

// giveUp ends what is on its way to an endpoint.
func giveUp(tx *gorm.DB, business, id uuid.UUID) error {
	_, err := exec(tx, "give up deliveries", `
		update webhooks.delivery set state = 'CANCELLED', ended_at = clock_timestamp(), next_attempt_at = null where tenant_id = $1 and endpoint_id = $2 and state = 'PENDING'`, business, id)
	return err
}

// Delete takes an endpoint away, with its address and secrets, and gives up what is on its way to it. The log of its deliveries stays as long as any. Errors: ErrNotFound.
func Delete(tx *gorm.DB, who audit.Entry, id uuid.UUID) error {
	business, err := owner(tx)
	if err != nil {
		return fmt.Errorf("delete endpoint: %w", err)
	}
	was, err := one(tx, id, forUpdate)
	if err != nil {
		return err
	}
	_, err = exec(tx, "delete endpoint", `
		update webhooks.endpoint set state = 'DELETED', reason = '', disabled_at = now(), url = '', description = '', secret = '', previous_secret = null, previous_until = null, updated_at = now()
		 where tenant_id = $1 and id = $2`, business, id)
	if err != nil {
		return err
	}
	if err := giveUp(tx, business, id); err != nil {
		return err
	}
	return record(tx, who, business, audit.Delete, id, map[string]any{"host": hostOf(was.URL)})
}

// Rotate gives an endpoint a new secret, and returns it. For Overlap the one before signs as well; one that was before that does not. Errors: ErrNotFound, ErrNoKeys.
func (e *Endpoints) Rotate(tx *gorm.DB, who audit.Entry, id uuid.UUID) (*Endpoint, string, error) {
	business, err := owner(tx)
	if err != nil {
		return nil, "", fmt.Errorf("rotate secret: %w", err)
	}
	if e.Keys == nil {
		return nil, "", ErrNoKeys
	}
	if _, err := one(tx, id, forUpdate); err != nil {
		return nil, "", err
	}
	secret, err := newSecret()
	if err != nil {
		return nil, "", err
	}
	_, err = exec(tx, "rotate secret", `
		update webhooks.endpoint set previous_secret = secret, previous_until = now() + $4::interval, secret = $3, updated_at = now() where tenant_id = $1 and id = $2`,
		business, id, e.Keys.seal(business, id, secret), Overlap)
	if err != nil {
		return nil, "", err
	}
	if err := record(tx, who, business, entity+".secret_rotated", id, nil); err != nil {
		return nil, "", err
	}
	now, err := Get(tx, id)
	return now, secret, err
}
