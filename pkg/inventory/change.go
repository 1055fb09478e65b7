package inventory

import (
	"fmt"
	"strings"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/audit"
	"makola/pkg/postgres"
)

// record writes an audit entry of the business.
func record(tx *gorm.DB, owner uuid.UUID, e audit.Entry) error {
	e.Tenant = owner
	return audit.Record(tx, e)
}

// differ notes what a detail was and is, if that is not the same.
func differ[V comparable](changes map[string]any, field string, before, after V) {
	if before != after {
		changes[field] = [2]any{before, after}
	}
}

// value is what an optional detail holds, or the zero value.
func value[V any](p *V) (v V) {
	if p != nil {
		v = *p
	}
	return v
}

// trimmed is a text without the space around it, nil when it is nil.
func trimmed(text *string) *string {
	if text == nil {
		return nil
	}
	t := strings.TrimSpace(*text)
	return &t
}

// removals are the statements that delete a row, by what it is. Whatever names the row refuses.
var removals = map[string]string{
	"location": `delete from inventory.location where tenant_id = $1 and id = $2`,
	"category": `delete from inventory.category where tenant_id = $1 and id = $2`,
	"supplier": `delete from inventory.supplier where tenant_id = $1 and id = $2`,
}

// remove deletes a row that was found. Errors: ErrInUse.
func remove(tx *gorm.DB, who audit.Entry, entity string, id uuid.UUID, name string) error {
	owner, err := owner(tx)
	if err != nil {
		return fmt.Errorf("delete %s: %w", entity, err)
	}
	if _, err := exec(tx, "delete "+entity, removals[entity], owner, id); err != nil {
		if strings.HasSuffix(postgres.Constraint(err), "_fkey") {
			return ErrInUse
		}
		return err
	}
	who.Action, who.Entity, who.EntityID, who.Changes = audit.Delete, entity, id.String(), map[string]any{"name": name}
	return record(tx, owner, who)
}
