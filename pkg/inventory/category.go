package inventory

import (
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/audit"
	"makola/pkg/postgres"
)

// Category is a shelf in the tree of what a business sells.
type Category struct {
	ID        uuid.UUID
	Name      string
	Parent    *uuid.UUID
	CreatedAt time.Time
}

const selectCategory = `select id, name, parent_id, created_at from inventory.category `

func scanCategory(rows pgx.Rows) (c Category, err error) {
	err = rows.Scan(&c.ID, &c.Name, &c.Parent, &c.CreatedAt)
	return c, err
}

// Categories returns the categories after the one with id after, newest first, and the id to go on with.
func Categories(tx *gorm.DB, after uuid.UUID, limit int) (list []Category, next uuid.UUID, err error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, uuid.Nil, fmt.Errorf("list categories: %w", err)
	}
	limit = clamp(limit)
	err = query(tx, "list categories", selectCategory+`where tenant_id = $1 and ($2::uuid is null or id < $2) order by id desc limit $3`, func(rows pgx.Rows) error {
		c, err := scanCategory(rows)
		list = append(list, c)
		return err
	}, owner, optionalID(after), limit+1)
	list, next = page(list, limit, func(c Category) uuid.UUID { return c.ID })
	return list, next, err
}

// CategoryByID returns a category, or ErrCategoryNotFound.
func CategoryByID(tx *gorm.DB, id uuid.UUID) (*Category, error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("read category: %w", err)
	}
	c, err := one(tx, "read category", selectCategory+`where tenant_id = $1 and id = $2`, ErrCategoryNotFound, scanCategory, owner, id)
	return &c, err
}

// AddCategory makes a category, below parent unless that is the zero id. Errors: ErrNameTaken; a parent that does not exist is a fault of the body.
func AddCategory(tx *gorm.DB, who audit.Entry, name string, parent uuid.UUID) (*Category, error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("add category: %w", err)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("make category id: %w", err)
	}
	name = strings.TrimSpace(name)
	if _, err := exec(tx, "insert category", `insert into inventory.category (id, tenant_id, name, parent_id) values ($1, $2, $3, $4)`, id, owner, name, optionalID(parent)); err != nil {
		return nil, categoryTaken(err)
	}
	who.Action, who.Entity, who.EntityID, who.Changes = audit.Create, "category", id.String(), map[string]any{"name": name}
	if err := record(tx, owner, who); err != nil {
		return nil, err
	}
	return CategoryByID(tx, id)
}

// ChangeCategory renames a category or moves it, with all that is below it; nil leaves either as it is, and the zero id makes it a root.
// Errors: ErrCategoryNotFound, ErrNameTaken, ErrCategoryCycle; a parent that does not exist is a fault of the body.
func ChangeCategory(tx *gorm.DB, who audit.Entry, id uuid.UUID, name *string, parent *uuid.UUID) (*Category, error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("change category: %w", err)
	}
	if parent != nil {
		// Two moves that are each fine may make a circle together, so they take turns.
		if _, err := exec(tx, "take turns moving categories", `select pg_advisory_xact_lock(hashtextextended('inventory.categories ' || $1::uuid::text, 0))`, owner); err != nil {
			return nil, err
		}
	}
	before, err := CategoryByID(tx, id)
	if err != nil {
		return nil, err
	}
	if parent != nil && *parent != uuid.Nil {
		below, err := one(tx, "look below category", `
			with recursive up as (
				select id, parent_id from inventory.category where tenant_id = $1 and id = $3
				union select c.id, c.parent_id from inventory.category c join up on c.tenant_id = $1 and c.id = up.parent_id)
			select exists (select from up where id = $2)`, ErrCategoryNotFound,
			func(rows pgx.Rows) (below bool, err error) { return below, rows.Scan(&below) }, owner, id, *parent)
		if err != nil {
			return nil, err
		}
		if below {
			return nil, fmt.Errorf("move category %s: %w", id, ErrCategoryCycle)
		}
	}
	_, err = exec(tx, "change category", `update inventory.category set name = coalesce($3, name), parent_id = case when $4 then $5 else parent_id end where tenant_id = $1 and id = $2`,
		owner, id, trimmed(name), parent != nil, optionalID(value(parent)))
	if err != nil {
		return nil, categoryTaken(err)
	}
	after, err := CategoryByID(tx, id)
	if err != nil {
		return nil, err
	}
	changes := map[string]any{}
	differ(changes, "name", before.Name, after.Name)
	differ(changes, "parent_id", value(before.Parent), value(after.Parent))
	if len(changes) == 0 {
		return after, nil
	}
	who.Action, who.Entity, who.EntityID, who.Changes = audit.Update, "category", id.String(), changes
	return after, record(tx, owner, who)
}

// RemoveCategory deletes a category that no product and no other category is in. Errors: ErrCategoryNotFound, ErrInUse.
func RemoveCategory(tx *gorm.DB, who audit.Entry, id uuid.UUID) error {
	c, err := CategoryByID(tx, id)
	if err != nil {
		return err
	}
	return remove(tx, who, "category", c.ID, c.Name)
}

func categoryTaken(err error) error {
	switch postgres.Constraint(err) {
	case "category_name_key":
		return ErrNameTaken
	case "category_parent_fkey":
		return invalid(fault("/parent_id", "unknown", "is no category of this business"))
	}
	return err
}
