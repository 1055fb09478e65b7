package postgres

import (
	"encoding/binary"
	"time"

	"github.com/google/uuid"
)

// FirstID is less than or equal to every UUID of version 7 that is made at this instant or later, and greater than those of the milliseconds before it: ids of rows are in the order of
// their making (RFC 9562, section 5.7), so their index finds the rows of a time. Clocks of machines differ; allow for it.
func FirstID(at time.Time) (id uuid.UUID) {
	binary.BigEndian.PutUint64(id[:8], uint64(max(at.UnixMilli(), 0))<<16)
	return id
}
