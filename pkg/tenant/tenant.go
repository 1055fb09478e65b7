// Package tenant carries the business a piece of work belongs to through a context.
//
// The context says whose work it is; postgres.InTenant turns that into the rows the database lets it touch.
package tenant

import (
	"context"

	"github.com/google/uuid"
)

type key struct{}

// With returns a context whose work belongs to the business id.
func With(ctx context.Context, id uuid.UUID) context.Context {
	return context.WithValue(ctx, key{}, id)
}

// From returns the business that ctx belongs to; ok is false when none was set or it is the zero id.
func From(ctx context.Context) (id uuid.UUID, ok bool) {
	id, ok = ctx.Value(key{}).(uuid.UUID)
	return id, ok && id != uuid.Nil
}
