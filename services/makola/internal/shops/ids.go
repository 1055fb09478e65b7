package shops

import (
	"encoding/binary"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
)

// chance is everything that is left to chance in one shop: it depends on the plan's seed and the shop's number alone.
type chance struct{ *rand.Rand }

// newChance separates streams, so that one purpose drawing more numbers does not change what another gets.
func newChance(seed, shop, purpose uint64) chance {
	return chance{rand.New(rand.NewPCG(seed, shop<<8|purpose))} //nolint:gosec // G404: invented on purpose, and the same again
}

// id makes a UUIDv7 of the instant: milliseconds, microseconds in the twelve bits that may refine them, and chance.
func (c chance) id(at time.Time) (id uuid.UUID) {
	micros := at.UnixMicro()
	binary.BigEndian.PutUint64(id[:8], uint64(micros/1000)<<16|7<<12|uint64(micros%1000)<<2|c.Uint64()&3)
	binary.BigEndian.PutUint64(id[8:], 1<<63|c.Uint64()>>2)
	return id
}

// often is true with the given probability.
func (c chance) often(p float64) bool { return c.Float64() < p }

// between is a whole number from low to high, both included.
func (c chance) between(low, high int) int { return low + c.IntN(high-low+1) }

func pick[T any](c chance, from []T) T { return from[c.IntN(len(from))] }
