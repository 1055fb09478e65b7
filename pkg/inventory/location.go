package inventory

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/audit"
	"makola/pkg/postgres"
)

// LocationKind is what a place is for.
type LocationKind string

// The kinds of places. Both hold stock; a storefront also sells.
const (
	Warehouse  LocationKind = "WAREHOUSE"
	Storefront LocationKind = "STOREFRONT"
)

// Location is a warehouse or a storefront.
type Location struct {
	ID   uuid.UUID
	Kind LocationKind
	Name string
	// Code is short and unique in the business; a storefront's receipts begin with it.
	Code, Address string
	Manager       *uuid.UUID
	// Active is false for a place that takes nothing in any more.
	Active               bool
	CreatedAt, UpdatedAt time.Time
}

// LocationDetails are what a place says of itself. In a change, nil leaves a detail as it is; the zero id takes the manager away.
type LocationDetails struct {
	Name, Code, Address *string
	Manager             *uuid.UUID
	Active              *bool
}

const selectLocation = `select id, kind, name, code, address, manager_id, is_active, created_at, updated_at from inventory.location `

func scanLocation(rows pgx.Rows) (l Location, err error) {
	err = rows.Scan(&l.ID, &l.Kind, &l.Name, &l.Code, &l.Address, &l.Manager, &l.Active, &l.CreatedAt, &l.UpdatedAt)
	return l, err
}

// Locations returns the places of a kind after the one with id after, newest first, and the id to go on with.
func Locations(tx *gorm.DB, kind LocationKind, after uuid.UUID, limit int) (list []Location, next uuid.UUID, err error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, uuid.Nil, fmt.Errorf("list places: %w", err)
	}
	limit = clamp(limit)
	err = query(tx, "list places", selectLocation+`where tenant_id = $1 and kind = $2 and ($3::uuid is null or id < $3) order by id desc limit $4`, func(rows pgx.Rows) error {
		l, err := scanLocation(rows)
		list = append(list, l)
		return err
	}, owner, string(kind), optionalID(after), limit+1)
	list, next = page(list, limit, func(l Location) uuid.UUID { return l.ID })
	return list, next, err
}

// LocationByID returns a place of that kind, or ErrLocationNotFound.
func LocationByID(tx *gorm.DB, kind LocationKind, id uuid.UUID) (*Location, error) {
	return locationByID(tx, kind, id, "")
}

func locationByID(tx *gorm.DB, kind LocationKind, id uuid.UUID, lock string) (*Location, error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("read place: %w", err)
	}
	l, err := one(tx, "read place", selectLocation+`where tenant_id = $1 and id = $2 and kind = $3 `+lock, ErrLocationNotFound, scanLocation, owner, id, string(kind))
	return &l, err
}

// UnknownStorefronts returns those of the ids that are no storefronts of the business that tx is bound to.
func UnknownStorefronts(tx *gorm.DB, ids []uuid.UUID) (unknown []uuid.UUID, err error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("look for storefronts: %w", err)
	}
	err = query(tx, "look for storefronts", `
		select u.id from unnest($2::uuid[]) as u (id)
		 where not exists (select from inventory.location l where l.tenant_id = $1 and l.id = u.id and l.kind = 'STOREFRONT')`,
		func(rows pgx.Rows) error {
			var id uuid.UUID
			err := rows.Scan(&id)
			unknown = append(unknown, id)
			return err
		}, owner, ids)
	return unknown, err
}

// admitStorefront refuses one more active storefront than allowed. Of several at once each waits for the one before.
func admitStorefront(tx *gorm.DB, owner uuid.UUID, allowed int) error {
	if _, err := exec(tx, "take turns opening storefronts", `select pg_advisory_xact_lock(hashtextextended('inventory.storefronts ' || $1::uuid::text, 0))`, owner); err != nil {
		return err
	}
	n, err := OpenStorefronts(tx)
	if err == nil && n >= allowed {
		err = fmt.Errorf("open storefront %d of %d: %w", n+1, allowed, ErrStorefrontLimit)
	}
	return err
}

// OpenStorefronts counts the open storefronts of the business that tx is bound to.
func OpenStorefronts(tx *gorm.DB) (int, error) {
	owner, err := owner(tx)
	if err != nil {
		return 0, fmt.Errorf("count storefronts: %w", err)
	}
	return one(tx, "count storefronts", `select count(*) from inventory.location where tenant_id = $1 and kind = 'STOREFRONT' and is_active`, ErrLocationNotFound,
		func(rows pgx.Rows) (n int, err error) {
			err = rows.Scan(&n)
			return n, err
		}, owner)
}

// OpenLocation makes a place. Without a code it gets one from its name. allowed is how many active storefronts the business may have; it does not matter for a warehouse.
// Errors: ErrStorefrontLimit, ErrNameTaken, ErrCodeTaken; a manager who is no member is a fault of the body.
func OpenLocation(tx *gorm.DB, who audit.Entry, kind LocationKind, d LocationDetails, allowed int) (*Location, error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("open place: %w", err)
	}
	if kind == Storefront {
		if err := admitStorefront(tx, owner, allowed); err != nil {
			return nil, err
		}
	}
	name, code := strings.TrimSpace(value(d.Name)), value(d.Code)
	if code == "" {
		if code, err = freeCode(tx, owner, name); err != nil {
			return nil, err
		}
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("make place id: %w", err)
	}
	_, err = exec(tx, "insert place", `insert into inventory.location (id, tenant_id, kind, name, code, address, manager_id) values ($1, $2, $3, $4, $5, $6, $7)`,
		id, owner, string(kind), name, code, strings.TrimSpace(value(d.Address)), optionalID(value(d.Manager)))
	if err != nil {
		return nil, locationTaken(err)
	}
	who.Action, who.Entity, who.EntityID, who.Changes = audit.Create, "location", id.String(), map[string]any{"kind": kind, "name": name, "code": code}
	if err := record(tx, owner, who); err != nil {
		return nil, err
	}
	return LocationByID(tx, kind, id)
}

// maxCodes is how many codes are tried for one name.
const maxCodes = 99

// freeCode makes a code of a name: its first letters and digits, with a number behind it when that is taken.
func freeCode(tx *gorm.DB, owner uuid.UUID, name string) (string, error) {
	base := strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, strings.ToUpper(name))
	if len(base) < 2 {
		base = "SHOP"
	}
	base = base[:min(len(base), 6)]
	codes := []string{base}
	for i := 2; i <= maxCodes; i++ {
		codes = append(codes, base+strconv.Itoa(i))
	}
	return one(tx, "find a free code", `
		select u.code from unnest($2::text[]) with ordinality as u (code, n)
		 where not exists (select from inventory.location l where l.tenant_id = $1 and l.code = u.code) order by u.n limit 1`, ErrCodeTaken,
		func(rows pgx.Rows) (code string, err error) { return code, rows.Scan(&code) }, owner, codes)
}

// ChangeLocation changes details of a place; allowed is as for OpenLocation, for a storefront that opens again. Errors: those of OpenLocation; ErrLocationNotFound; ErrCodeFrozen.
func ChangeLocation(tx *gorm.DB, who audit.Entry, kind LocationKind, id uuid.UUID, d LocationDetails, allowed int) (*Location, error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("change place: %w", err)
	}
	if kind == Storefront && value(d.Active) { // before the row's lock, as those who open one do
		if before, err := LocationByID(tx, kind, id); err != nil {
			return nil, err
		} else if !before.Active {
			if err := admitStorefront(tx, owner, allowed); err != nil {
				return nil, err
			}
		}
	}
	before, err := locationByID(tx, kind, id, "for update")
	if err != nil {
		return nil, err
	}
	if d.Code != nil && *d.Code != before.Code {
		sold, err := one(tx, "look for sales", `select exists (select from inventory.movement where tenant_id = $1 and location_id = $2 and kind = 'SALE')`, ErrLocationNotFound,
			func(rows pgx.Rows) (sold bool, err error) { return sold, rows.Scan(&sold) }, owner, id)
		if err != nil {
			return nil, err
		}
		if sold {
			return nil, fmt.Errorf("change code of place %s: %w", id, ErrCodeFrozen)
		}
	}
	_, err = exec(tx, "change place", `
		update inventory.location set name = coalesce($3, name), code = coalesce($4, code), address = coalesce($5, address), is_active = coalesce($6, is_active),
		       manager_id = case when $7 then $8 else manager_id end, updated_at = now()
		 where tenant_id = $1 and id = $2`,
		owner, id, trimmed(d.Name), d.Code, trimmed(d.Address), d.Active, d.Manager != nil, optionalID(value(d.Manager)))
	if err != nil {
		return nil, locationTaken(err)
	}
	after, err := LocationByID(tx, kind, id)
	if err != nil {
		return nil, err
	}
	changes := map[string]any{}
	differ(changes, "name", before.Name, after.Name)
	differ(changes, "code", before.Code, after.Code)
	differ(changes, "address", before.Address, after.Address)
	differ(changes, "is_active", before.Active, after.Active)
	differ(changes, "manager_id", value(before.Manager), value(after.Manager))
	if len(changes) == 0 {
		return after, nil
	}
	who.Action, who.Entity, who.EntityID, who.Changes = audit.Update, "location", id.String(), changes
	return after, record(tx, owner, who)
}

// RemoveLocation deletes a place that never held anything. Errors: ErrLocationNotFound, ErrInUse.
func RemoveLocation(tx *gorm.DB, who audit.Entry, kind LocationKind, id uuid.UUID) error {
	l, err := locationByID(tx, kind, id, "for update")
	if err != nil {
		return err
	}
	return remove(tx, who, "location", l.ID, l.Name)
}

func locationTaken(err error) error {
	switch postgres.Constraint(err) {
	case "location_name_key":
		return ErrNameTaken
	case "location_code_key":
		return ErrCodeTaken
	case "location_manager_fkey":
		return invalid(fault("/manager_id", "unknown", "is no member of this business"))
	}
	return err
}
