package accounts

import (
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/audit"
	"makola/pkg/postgres"
)

// AnonymizeUntouched takes their names, addresses, passwords, tokens, sessions and places from up to limit people whose account nobody has used for 90 days: it is switched off,
// or its address was never confirmed. Who is the one owner of an active business stays as they are. The rows stay, so that what these people did in a business is still somebody's.
// It returns how many they were, and whether there may be more. The rule is accounts.v_untouched.
//
// tx is a platform transaction of notifier, and is bound to the people's businesses from here to its end.
func AnonymizeUntouched(tx *gorm.DB, limit int) (n int, more bool, err error) {
	people, err := ids(tx, `select id from accounts.v_untouched order by updated_at, id limit $1`, limit)
	if err != nil {
		return 0, false, fmt.Errorf("find untouched accounts: %w", err)
	}
	if len(people) == 0 {
		return 0, false, nil
	}
	businesses, err := ids(tx, `
		select tenant_id from accounts.membership where user_id = any ($1)
		 union select tenant_id from accounts.v_live_owner where owner_id = any ($1)
		 union select tenant_id from accounts.invitation where accepted_by = any ($1)`, people)
	if err != nil {
		return 0, false, fmt.Errorf("find the businesses of untouched accounts: %w", err)
	}
	if err := postgres.BindTenants(tx, businesses); err != nil {
		return 0, false, err
	}
	var entries []audit.Entry
	err = postgres.Query(tx, func(rows pgx.Rows) error {
		for rows.Next() {
			var user uuid.UUID
			var business uuid.NullUUID
			var reason string
			if err := rows.Scan(&user, &business, &reason); err != nil {
				return err
			}
			entries = append(entries, audit.Entry{
				Tenant: business.UUID, Actor: "task:accounts.cleanup_inactive_users", Action: "user.anonymized", Entity: "user", EntityID: user.String(), Changes: map[string]string{"reason": reason},
			})
		}
		return rows.Err()
	}, `select user_id, tenant_id, reason from accounts.anonymize_untouched($1)`, people)
	if err != nil {
		return 0, false, fmt.Errorf("anonymize %d accounts: %w", len(people), err)
	}
	return len(entries), len(people) == limit && len(entries) > 0, audit.Record(tx, entries...)
}

// ids reads the one column of a query.
func ids(tx *gorm.DB, query string, args ...any) (list []uuid.UUID, err error) {
	err = postgres.Query(tx, func(rows pgx.Rows) (err error) {
		list, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		return err
	}, query, args...)
	return list, err
}
