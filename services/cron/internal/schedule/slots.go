package schedule

import "time"

// MostMissed is how many slots one pass makes up or records at most. Two days of hours; beyond that a backlog helps nobody.
const MostMissed = 48

// SlotAt returns the beginning of the slot that t lies in, in UTC: floor((t - offset) / every), also before the epoch.
func (e Entry) SlotAt(t time.Time) time.Time {
	// Whole seconds and the rest apart, because nanoseconds since the epoch leave int64 within three centuries of it.
	since := t.Unix() - int64(e.Offset/time.Second)
	every := int64(e.Every / time.Second)
	n := since / every
	if since%every < 0 {
		n--
	}
	return time.Unix(n*every+int64(e.Offset/time.Second), 0).UTC()
}

// Next returns the beginning of the slot after the one that t lies in.
func (e Entry) Next(t time.Time) time.Time { return e.SlotAt(t).Add(e.Every) }

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
	if !last.IsZero() && !current.After(last) {
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
	missed, p.Forgotten = e.between(last, current, keep)
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

// between returns the newest slots after last and before current, at most keep of them, oldest first, and how many more there are.
func (e Entry) between(last, current time.Time, keep int) (slots []time.Time, more int) {
	first := e.Next(last)
	n := int(current.Sub(first) / e.Every)
	if n > keep {
		more = n - keep
		first = first.Add(time.Duration(more) * e.Every)
	}
	for s := first; s.Before(current); s = s.Add(e.Every) {
		slots = append(slots, s)
	}
	return slots, more
}
