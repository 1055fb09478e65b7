package cron

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	parser "github.com/robfig/cron/v3"
)

// Timing says when a job's slots begin: at a fixed interval, or at a time of day on the dates that an expression names. The zero value is invalid.
type Timing struct {
	// Every is the length of a slot. Offset shifts the slots from midnight (for a week: from Thursday, the epoch's day), in UTC.
	Every, Offset time.Duration
	// Expression is minute, hour, day of the month, month and day of the week, as crontab has them, such as "30 2 1 * *"; minute and hour are one number each, because what
	// comes more than once a day has an interval. Zone is whose clock it means, such as Africa/Accra.
	//
	// One slot belongs to each date. A time that a change of clocks skips is taken as much later as the clock was set forward; of a time that comes twice the second is taken.
	Expression, Zone string
}

// expressionRule is what we take of robfig/cron's syntax. Its parser panics on some that begin with a zone ("TZ=0"), so it is not shown any.
var expressionRule = regexp.MustCompile(`^[0-9]{1,2} [0-9]{1,2} [0-9A-Za-z*,/-]+ [0-9A-Za-z*,/-]+ [0-9A-Za-z*,/-]+$`)

// horizon is how far back the slot that an instant lies in may have begun. Leap days are eight years apart where a century has none.
const horizon = 9 * 366 * 24 * time.Hour

// Validate says what is wrong with t, if anything.
func (t Timing) Validate() error {
	switch {
	case t.Expression == "" && t.Zone == "":
		if t.Every < time.Minute || t.Every%time.Second != 0 || t.Offset < 0 || t.Offset >= t.Every || t.Offset%time.Second != 0 {
			return fmt.Errorf("its slots of %s, shifted by %s, make no sense: a slot is a minute at least, and the shift less than a slot", t.Every, t.Offset)
		}
		return nil
	case t.Every != 0 || t.Offset != 0:
		return errors.New("it has both an interval and an expression")
	}
	_, err := t.dates()
	return err
}

// At returns the beginning of the slot that now lies in, in UTC. It is zero when there is none, or t is invalid.
func (t Timing) At(now time.Time) time.Time {
	if t.Expression == "" {
		return t.interval(now)
	}
	d, err := t.dates()
	if err != nil {
		return time.Time{}
	}
	return d.at(now)
}

// Next returns the beginning of the first slot after now, in UTC; zero when there is none, or t is invalid.
func (t Timing) Next(now time.Time) time.Time {
	if t.Expression == "" {
		if begin := t.interval(now); !begin.IsZero() {
			return begin.Add(t.Every)
		}
		return time.Time{}
	}
	d, err := t.dates()
	if err != nil {
		return time.Time{}
	}
	return d.next(now)
}

// Between returns the newest slots after one and before another, at most keep of them, oldest first, and how many more there are.
func (t Timing) Between(after, before time.Time, keep int) (slots []time.Time, more int) {
	if t.Expression == "" {
		first := t.Next(after)
		if n := int(before.Sub(first) / max(t.Every, 1)); n > keep {
			more = n - keep
			first = first.Add(time.Duration(more) * t.Every)
		}
		for s := first; !s.IsZero() && s.Before(before); s = s.Add(t.Every) {
			slots = append(slots, s)
		}
		return slots, more
	}
	d, err := t.dates()
	if err != nil {
		return nil, 0
	}
	for s := d.next(after); !s.IsZero() && s.Before(before); s = d.next(s) {
		slots = append(slots, s)
	}
	if more = len(slots) - keep; more > 0 {
		return slots[more:], more
	}
	return slots, 0
}

// interval is floor((now - offset) / every), also before the epoch.
func (t Timing) interval(now time.Time) time.Time {
	every := int64(t.Every / time.Second)
	if every <= 0 {
		return time.Time{}
	}
	// Whole seconds and the rest apart, because nanoseconds since the epoch leave int64 within three centuries of it.
	since := now.Unix() - int64(t.Offset/time.Second)
	n := since / every
	if since%every < 0 {
		n--
	}
	return time.Unix(n*every+int64(t.Offset/time.Second), 0).UTC()
}

// dates is an expression that has been read: the dates and the time of day it names, on a clock that is never set (UTC stands in for it), and whose clock that is.
type dates struct {
	wall parser.Schedule
	zone *time.Location
}

func (t Timing) dates() (d dates, err error) {
	if !expressionRule.MatchString(t.Expression) {
		return d, fmt.Errorf("its expression %q is none: write minute, hour, day of the month, month and day of the week, with one number for minute and hour, such as \"30 2 1 * *\"", t.Expression)
	}
	if d.wall, err = parser.NewParser(parser.Minute | parser.Hour | parser.Dom | parser.Month | parser.Dow).Parse(t.Expression); err != nil {
		return d, fmt.Errorf("read its expression %q: %w", t.Expression, err)
	}
	if t.Zone == "" {
		return d, fmt.Errorf("its expression %q needs a zone, such as Africa/Accra", t.Expression)
	}
	if d.zone, err = time.LoadLocation(t.Zone); err != nil || t.Zone == "Local" {
		return d, fmt.Errorf("its zone %q does not exist", t.Zone)
	}
	if d.wall.Next(time.Unix(0, 0).UTC()).IsZero() {
		return d, fmt.Errorf("its expression %q names no date that exists", t.Expression)
	}
	return d, nil
}

func (d dates) at(now time.Time) (slot time.Time) {
	wall := onWall(now, d.zone)
	for back := 48 * time.Hour; slot.IsZero() && back <= 2*horizon; back *= 2 {
		for w := d.wall.Next(wall.Add(-back)); !w.IsZero(); w = d.wall.Next(w) {
			begin := d.instant(w)
			if begin.After(now) {
				break
			}
			slot = begin
		}
	}
	return slot
}

func (d dates) next(now time.Time) time.Time {
	// Two days back, because no clock was ever set further: the date that now belongs to, and the one before it, are looked at again.
	for w := d.wall.Next(onWall(now, d.zone).Add(-48 * time.Hour)); !w.IsZero(); w = d.wall.Next(w) {
		if begin := d.instant(w); begin.After(now) {
			return begin
		}
	}
	return time.Time{}
}

// onWall is what the clock of a zone shows, as if that were UTC.
func onWall(t time.Time, zone *time.Location) time.Time {
	t = t.In(zone)
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, time.UTC)
}

// instant is when the zone's clock shows w, in UTC, by the rule of Timing.Expression. time.Date leaves open what it does there.
func (d dates) instant(w time.Time) time.Time {
	_, before := w.Add(-24 * time.Hour).In(d.zone).Zone()
	_, after := w.Add(24 * time.Hour).In(d.zone).Zone()
	later := w.Add(-time.Duration(after) * time.Second)
	if onWall(later, d.zone).Equal(w) {
		return later
	}
	return w.Add(-time.Duration(before) * time.Second)
}
