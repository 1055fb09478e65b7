package inventory

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/audit"
	"makola/pkg/postgres"
)

// Supplier is whom a business buys from.
type Supplier struct {
	ID                          uuid.UUID
	Name, Contact, Email, Phone string
	Active                      bool
	CreatedAt                   time.Time
}

// SupplierDetails are what changes about a supplier; nil leaves it as it is.
type SupplierDetails struct {
	Name, Contact, Email, Phone *string
	Active                      *bool
}

const selectSupplier = `select id, name, contact, email, phone, is_active, created_at from inventory.supplier `

func scanSupplier(rows pgx.Rows) (s Supplier, err error) {
	err = rows.Scan(&s.ID, &s.Name, &s.Contact, &s.Email, &s.Phone, &s.Active, &s.CreatedAt)
	return s, err
}

// Suppliers returns the suppliers after the one with id after, newest first, and the id to go on with.
func Suppliers(tx *gorm.DB, after uuid.UUID, limit int) (list []Supplier, next uuid.UUID, err error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, uuid.Nil, fmt.Errorf("list suppliers: %w", err)
	}
	limit = clamp(limit)
	err = query(tx, "list suppliers", selectSupplier+`where tenant_id = $1 and ($2::uuid is null or id < $2) order by id desc limit $3`, func(rows pgx.Rows) error {
		s, err := scanSupplier(rows)
		list = append(list, s)
		return err
	}, owner, optionalID(after), limit+1)
	list, next = page(list, limit, func(s Supplier) uuid.UUID { return s.ID })
	return list, next, err
}

// SupplierByID returns a supplier, or ErrSupplierNotFound.
func SupplierByID(tx *gorm.DB, id uuid.UUID) (*Supplier, error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("read supplier: %w", err)
	}
	s, err := one(tx, "read supplier", selectSupplier+`where tenant_id = $1 and id = $2`, ErrSupplierNotFound, scanSupplier, owner, id)
	return &s, err
}

// AddSupplier makes a supplier. Errors: ErrNameTaken.
func AddSupplier(tx *gorm.DB, who audit.Entry, d SupplierDetails) (*Supplier, error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("add supplier: %w", err)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("make supplier id: %w", err)
	}
	_, err = exec(tx, "insert supplier", `insert into inventory.supplier (id, tenant_id, name, contact, email, phone) values ($1, $2, $3, coalesce($4, ''), coalesce($5, ''), coalesce($6, ''))`,
		id, owner, trimmed(d.Name), trimmed(d.Contact), trimmed(d.Email), trimmed(d.Phone))
	if err != nil {
		return nil, supplierTaken(err)
	}
	who.Action, who.Entity, who.EntityID, who.Changes = audit.Create, "supplier", id.String(), map[string]any{"name": value(trimmed(d.Name))}
	if err := record(tx, owner, who); err != nil {
		return nil, err
	}
	return SupplierByID(tx, id)
}

// ChangeSupplier changes details of a supplier. Errors: ErrSupplierNotFound, ErrNameTaken.
func ChangeSupplier(tx *gorm.DB, who audit.Entry, id uuid.UUID, d SupplierDetails) (*Supplier, error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("change supplier: %w", err)
	}
	before, err := SupplierByID(tx, id)
	if err != nil {
		return nil, err
	}
	_, err = exec(tx, "change supplier", `
		update inventory.supplier set name = coalesce($3, name), contact = coalesce($4, contact), email = coalesce($5, email), phone = coalesce($6, phone), is_active = coalesce($7, is_active)
		 where tenant_id = $1 and id = $2`, owner, id, trimmed(d.Name), trimmed(d.Contact), trimmed(d.Email), trimmed(d.Phone), d.Active)
	if err != nil {
		return nil, supplierTaken(err)
	}
	after, err := SupplierByID(tx, id)
	if err != nil {
		return nil, err
	}
	changes := map[string]any{}
	differ(changes, "name", before.Name, after.Name)
	differ(changes, "contact", before.Contact, after.Contact)
	differ(changes, "email", before.Email, after.Email)
	differ(changes, "phone", before.Phone, after.Phone)
	differ(changes, "is_active", before.Active, after.Active)
	if len(changes) == 0 {
		return after, nil
	}
	who.Action, who.Entity, who.EntityID, who.Changes = audit.Update, "supplier", id.String(), changes
	return after, record(tx, owner, who)
}

// RemoveSupplier deletes a supplier of whom nothing was ever bought. Errors: ErrSupplierNotFound, ErrInUse.
func RemoveSupplier(tx *gorm.DB, who audit.Entry, id uuid.UUID) error {
	s, err := SupplierByID(tx, id)
	if err != nil {
		return err
	}
	return remove(tx, who, "supplier", s.ID, s.Name)
}

func supplierTaken(err error) error {
	if postgres.Constraint(err) == "supplier_name_key" {
		return ErrNameTaken
	}
	return err
}
