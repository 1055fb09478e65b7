package accounts

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/audit"
	"makola/pkg/postgres"
)

// OpenSession is one place where a person is signed in.
type OpenSession struct {
	ID uuid.UUID
	// SignedInAt is when it began, SeenAt when its tokens were last refreshed, ExpiresAt when it ends if they are not.
	SignedInAt, SeenAt, ExpiresAt time.Time
	// Client is the program as it was when it was last seen.
	Client Client
	// Current is set for the session that asks.
	Current bool
}

// ListSessions returns a person's sessions, the one seen last first.
func ListSessions(tx *gorm.DB, who Principal) ([]OpenSession, error) {
	list := []OpenSession{}
	err := postgres.Query(tx, func(rows pgx.Rows) error {
		for rows.Next() {
			var s OpenSession
			if err := rows.Scan(&s.ID, &s.SignedInAt, &s.SeenAt, &s.ExpiresAt, &s.Client.IP, &s.Client.UserAgent); err != nil {
				return err
			}
			s.Current = s.ID == who.Session
			list = append(list, s)
		}
		return rows.Err()
	}, `select * from (
			select distinct on (t.family_id) t.family_id, (select min(f.issued_at) from accounts.refresh_token f where f.family_id = t.family_id and f.user_id = $1) as began,
			       t.issued_at, t.expires_at, t.ip, t.user_agent
			  from accounts.refresh_token t where t.user_id = $1 and t.revoked_at is null and t.rotated_at is null and t.expires_at > now()
			 order by t.family_id, t.issued_at desc, t.id desc) as session
		 order by issued_at desc, family_id`, who.User)
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	return list, nil
}

// EndSession ends one of a person's own sessions; its access token stops working at once. Errors: ErrSessionNotFound.
func EndSession(tx *gorm.DB, who Principal, id uuid.UUID, c Client) error {
	if err := lockSession(tx, id); err != nil {
		return err
	}
	n, err := postgres.Exec(tx, `update accounts.refresh_token set revoked_at = now() where family_id = $1 and user_id = $2 and revoked_at is null`, id, who.User)
	if err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	if n == 0 {
		return ErrSessionNotFound
	}
	return audit.Record(tx, who.entry(c, audit.Entry{Action: "session.ended", Entity: "session", EntityID: id.String()}))
}

// EndOtherSessions ends all of a person's sessions but the one that asks, and returns how many they were.
func EndOtherSessions(tx *gorm.DB, who Principal, c Client) (int, error) {
	n, err := endSessions(tx, who.User, who.Session)
	if err != nil || n == 0 {
		return 0, err
	}
	return n, audit.Record(tx, who.entry(c, audit.Entry{Action: "session.ended", Entity: "session", Changes: map[string]int{"sessions": n}}))
}

// endSessions ends every session of a person but one; uuid.Nil spares none. Each is locked first, or a token that is being issued at this moment would survive.
func endSessions(tx *gorm.DB, user, except uuid.UUID) (int, error) {
	var families []uuid.UUID
	err := postgres.Query(tx, func(rows pgx.Rows) (err error) {
		families, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		return err
	}, `select distinct family_id from accounts.refresh_token where user_id = $1 and family_id <> $2 and revoked_at is null and expires_at > now() order by 1`, user, except)
	if err != nil {
		return 0, fmt.Errorf("find sessions: %w", err)
	}
	for _, family := range families {
		if err := lockSession(tx, family); err != nil {
			return 0, err
		}
	}
	if _, err := postgres.Exec(tx, `update accounts.refresh_token set revoked_at = now() where family_id = any($1) and revoked_at is null`, families); err != nil {
		return 0, fmt.Errorf("end sessions: %w", err)
	}
	return len(families), nil
}

// entry fills in who did it.
func (p Principal) entry(c Client, e audit.Entry) audit.Entry {
	e.Tenant, e.User, e.Actor, e.IP, e.UserAgent = p.Tenant, p.User, p.Email, c.IP, c.UserAgent
	return e
}
