package assist

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/money"
)

// maxPlaces is how many storefronts a model is told of. A business with more is asked about all together.
const maxPlaces = 50

// Shop is what a question is asked of: a business as whoever asks sees it. Make it with Open.
type Shop struct {
	tenant       uuid.UUID
	currency     money.Currency
	zone         *time.Location
	reorderLevel int64
	// storefronts are those that whoever asks sees; nil is all of them.
	storefronts []uuid.UUID
	places      []place
	// today is the business's date, at midnight UTC.
	today time.Time
}

// place is a storefront as the model calls it: by a key of ours.
type place struct {
	id        uuid.UUID
	key, name string
}

// Open reads what a question needs of the business that tx is bound to.
func Open(tx *gorm.DB, scope Scope, now time.Time) (*Shop, error) {
	id, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("open shop: %w", err)
	}
	s := &Shop{tenant: id}
	if !scope.All {
		s.storefronts = append([]uuid.UUID{}, scope.IDs...)
	}
	err = query(tx, "read terms of the business", `select currency, timezone, reorder_level from accounts.v_settings where tenant_id = $1`, func(rows pgx.Rows) error {
		var zone string
		if err := rows.Scan((*string)(&s.currency), &zone, &s.reorderLevel); err != nil {
			return err
		}
		s.zone, err = time.LoadLocation(zone)
		return err
	}, id)
	if err != nil {
		return nil, err
	}
	if s.zone == nil {
		return nil, fmt.Errorf("read terms of the business: there are none")
	}
	s.today = dayOf(now, s.zone)
	err = query(tx, "list storefronts", `
		select id, name from inventory.location where tenant_id = $1 and kind = 'STOREFRONT' and is_active and ($2::uuid[] is null or id = any ($2)) order by lower(name), id limit $3`,
		func(rows pgx.Rows) error {
			p := place{key: "s" + strconv.Itoa(len(s.places)+1)}
			err := rows.Scan(&p.id, &p.name)
			s.places = append(s.places, p)
			return err
		}, id, s.storefronts, maxPlaces)
	return s, err
}

// at are the storefronts that a choice means, nil for all there are, and how to name them.
func (s *Shop) at(key string) (ids []uuid.UUID, name string, err error) {
	if key == everywhere {
		if s.storefronts != nil {
			return s.storefronts, "your storefronts", nil
		}
		return nil, "all storefronts", nil
	}
	for _, p := range s.places {
		if p.key == key {
			return []uuid.UUID{p.id}, p.name, nil
		}
	}
	return nil, "", errors.New("there is no such storefront")
}

// stockAt is at for stock, which warehouses hold too: they are seen by those who see all storefronts.
func (s *Shop) stockAt(key string) (ids []uuid.UUID, name string, err error) {
	ids, name, err = s.at(key)
	if key == everywhere && ids == nil {
		name = "all places"
	}
	return ids, name, err
}

// amount writes minor units of the business's currency.
func (s *Shop) amount(minor int64) string { return money.FromMinor(minor, s.currency).Decimal() }

// everywhere is the choice of no storefront in particular.
const everywhere = "all"
