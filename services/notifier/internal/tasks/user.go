package tasks

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/accounts"
	"makola/pkg/notifications"
	"makola/pkg/postgres"
	"makola/pkg/task"
	"makola/pkg/tenant"
)

// user is whom a mail goes to.
type user struct{ email, name string }

// loadUser reads one user. One that does not exist, or has been anonymised, is a permanent error.
func loadUser(tx *gorm.DB, id uuid.UUID) (user, error) {
	var u user
	err := postgres.QueryRow(tx, `select email, name from accounts.user where id = $1 and anonymized_at is null`, id).Scan(&u.email, &u.name)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return u, task.Permanent(fmt.Errorf("user %s does not exist", id))
	case err != nil:
		return u, fmt.Errorf("read user %s: %w", id, err)
	}
	return u, nil
}

// findUser finds the user who signs in with an address; found is false when nobody does.
func findUser(tx *gorm.DB, address string) (id uuid.UUID, found bool, err error) {
	address, err = accounts.NormalizeEmail(address)
	if err != nil {
		return uuid.Nil, false, nil //nolint:nilerr // an address that cannot exist is an address nobody has
	}
	err = postgres.QueryRow(tx, `select id from accounts.user where lower(email) = $1 and is_active and anonymized_at is null`, address).Scan(&id)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return uuid.Nil, false, nil
	case err != nil:
		return uuid.Nil, false, fmt.Errorf("find user: %w", err)
	}
	return id, true, nil
}

// mail queues one mail of a user's business, or of the platform for a user of none.
func (a *Accounts) mail(ctx context.Context, tx *gorm.DB, key, to string, content notifications.Content) (status, id string, err error) {
	mailID, queued, err := notifications.Queue(ctx, tx, a.Notify, notifications.Email{Key: key, To: to, Content: content})
	switch {
	case errors.Is(err, notifications.ErrAddress):
		return "", "", task.Permanent(fmt.Errorf("queue mail %s: %w", key, err))
	case err != nil:
		return "", "", fmt.Errorf("queue mail %s: %w", key, err)
	case queued:
		return "queued", mailID.String(), nil
	default:
		return "already_queued", mailID.String(), nil
	}
}

// parseID reads an argument that is a UUID. Any other can never succeed.
func parseID(name, text string) (uuid.UUID, error) {
	id, err := uuid.Parse(text)
	if err != nil || id == uuid.Nil {
		return uuid.Nil, task.Permanent(fmt.Errorf("%s is not a UUID", name))
	}
	return id, nil
}

// membership is what a user is in their business, and where that is; empty for a user of none, but for the time zone.
type membership struct{ business, role, timezone string }

// homeZone is where a reader is taken to be of whom nothing else is known.
const homeZone = "Africa/Accra"

// enterBusiness returns the user's place in the context's business; a user of another one is a permanent error. When the context has none, it
// finds the user's own (a user belongs to one at most), binds tx to it and returns a context of it.
func enterBusiness(ctx context.Context, tx *gorm.DB, id uuid.UUID) (context.Context, membership, error) {
	m := membership{timezone: homeZone}
	business, ok := tenant.From(ctx)
	if !ok {
		err := postgres.QueryRow(tx, `select tenant_id from accounts.membership where user_id = $1`, id).Scan(&business)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return ctx, m, nil
		case err != nil:
			return ctx, m, fmt.Errorf("find the business of user %s: %w", id, err)
		}
		if err := postgres.BindTenants(tx, []uuid.UUID{business}); err != nil {
			return ctx, m, err
		}
		ctx = tenant.With(ctx, business)
	}
	err := postgres.QueryRow(tx, `select b.name, m.role, b.timezone from accounts.membership m join accounts.business b on b.id = m.tenant_id
		where m.tenant_id = $1 and m.user_id = $2`, business, id).Scan(&m.business, &m.role, &m.timezone)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return ctx, m, task.Permanent(fmt.Errorf("user %s does not belong to the task's business", id))
	case err != nil:
		return ctx, m, fmt.Errorf("read the membership of user %s: %w", id, err)
	}
	return ctx, m, nil
}
