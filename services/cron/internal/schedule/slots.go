package schedule

import (
	"time"

	"makola/pkg/cron"
)

// MostMissed is how many slots one pass makes up or records at most.
const MostMissed = cron.MostMissed

// SlotAt returns the beginning of the slot that t lies in, in UTC. It is zero when there is none, as before the first date that an expression names.
func (e Entry) SlotAt(t time.Time) time.Time { return e.timing().At(t) }

// Next returns the beginning of the slot after the one that t lies in; zero when there is none.
func (e Entry) Next(t time.Time) time.Time { return e.timing().Next(t) }

// Plan is what one pass has to do for one job.
type Plan struct {
	// Run holds the slots to run, oldest first; the last one is the current slot.
	Run []time.Time
	// Drop holds missed slots that are recorded as skipped, oldest first, and Why says why.
	Drop []time.Time
	Why  string
	// Forgotten counts missed slots beyond MostMissed, which are not even recorded.
	Forgotten int
}

// Plan returns what is due at now when last is the newest slot that was dealt with; a zero last means never, and then only the current slot is due.
// Nothing is due when the clock stands before last.
func (e Entry) Plan(last, now time.Time) Plan {
	current := e.SlotAt(now)
	if current.IsZero() || !last.IsZero() && !current.After(last) {
		return Plan{}
	}
	p := Plan{Run: []time.Time{current}}
	if last.IsZero() {
		return p
	}
	keep := MostMissed
	if e.Missed == All {
		keep-- // the current slot is one of them
	}
	var missed []time.Time
	missed, p.Forgotten = e.timing().Between(last, current, keep)
	switch e.Missed {
	case All:
		p.Run = append(missed, current)
	case Skip:
		p.Drop, p.Why = missed, "missed: no cron ran"
	case Once:
		p.Drop, p.Why = missed, "missed: made up by the run of "+current.Format(time.RFC3339)
	}
	return p
}
