package reporting

import (
	"time"
)

// Frequency is how often a schedule runs.
type Frequency string

// The frequencies.
const (
	Daily   Frequency = "DAILY"
	Weekly  Frequency = "WEEKLY"
	Monthly Frequency = "MONTHLY"
)

// LastDayOfMonth is the last day that a monthly schedule may run on: every month has it.
const LastDayOfMonth = 28

// Timing is when a schedule runs, by the clock of its business.
type Timing struct {
	Frequency Frequency
	// Hour is from 0 to 23.
	Hour int
	// DayOfWeek is from 0, Monday, to 6; for weekly schedules.
	DayOfWeek *int
	// DayOfMonth is from 1 to LastDayOfMonth; for monthly ones.
	DayOfMonth *int
}

// check finds faults of what a request says.
func (t Timing) check() error {
	within := func(n *int, least, most int) bool { return n != nil && *n >= least && *n <= most }
	switch {
	case t.Frequency != Daily && t.Frequency != Weekly && t.Frequency != Monthly:
		return fault("frequency", "unknown", "must be one of DAILY, WEEKLY, MONTHLY")
	case t.Hour < 0 || t.Hour > 23:
		return fault("hour", "out_of_range", "must be from 0 to 23")
	case t.Frequency == Weekly && !within(t.DayOfWeek, 0, 6):
		return fault("day_of_week", "required", "must be from 0, Monday, to 6 for a weekly schedule")
	case t.Frequency == Monthly && !within(t.DayOfMonth, 1, LastDayOfMonth):
		return fault("day_of_month", "required", "must be from 1 to 28 for a monthly schedule")
	case t.Frequency != Weekly && t.DayOfWeek != nil:
		return fault("day_of_week", "not_allowed", "is for weekly schedules only")
	case t.Frequency != Monthly && t.DayOfMonth != nil:
		return fault("day_of_month", "not_allowed", "is for monthly schedules only")
	}
	return nil
}

// on reports whether a schedule runs on that date, which is at midnight UTC.
func (t Timing) on(date time.Time) bool {
	switch t.Frequency {
	case Daily:
		return true
	case Weekly:
		return t.DayOfWeek != nil && (int(date.Weekday())+6)%7 == *t.DayOfWeek
	case Monthly:
		return t.DayOfMonth != nil && date.Day() == *t.DayOfMonth
	default:
		return false
	}
}

// longestGap is more days than there are between two runs of any schedule, and one that the calendar of a place may leave out.
const longestGap = 34

// Next returns the first time after an instant at which the schedule runs, by the clocks of the zone; the zero time when it never does, which a Timing that was checked has not.
//
// Where clocks are set forward over the hour it runs as much later; an hour that comes twice is taken the second time. (task.EachDayAt keeps the same rules.) So a schedule runs once
// on each of its days, whatever the clocks do.
func (t Timing) Next(after time.Time, zone *time.Location) time.Time {
	date := dayOf(after, zone).AddDate(0, 0, -1)
	for range longestGap {
		if t.on(date) {
			if at := wall(date, t.Hour, zone); at.After(after) {
				return at
			}
		}
		date = date.AddDate(0, 0, 1)
	}
	return time.Time{}
}

// Following returns the next n times after an instant.
func (t Timing) Following(after time.Time, zone *time.Location, n int) []time.Time {
	list := make([]time.Time, 0, n)
	for len(list) < n {
		after = t.Next(after, zone)
		if after.IsZero() {
			break
		}
		list = append(list, after)
	}
	return list
}

// wall is the instant at which the clocks of a zone show that hour of a date.
func wall(date time.Time, hour int, zone *time.Location) time.Time {
	y, m, d := date.Date()
	shown := time.Date(y, m, d, hour, 0, 0, 0, time.UTC)
	offset := func(at time.Time) time.Duration {
		_, seconds := at.In(zone).Zone()
		return time.Duration(seconds) * time.Second
	}
	// The offsets of the day before and the day after: no zone is further from UTC than 14 hours, and none changes its clocks twice within three days.
	before, after := shown.Add(-offset(shown.Add(-36*time.Hour))), shown.Add(-offset(shown.Add(36*time.Hour)))
	fits := func(at time.Time) bool {
		hh, mm, _ := at.In(zone).Clock()
		return hh == hour && mm == 0 && dayOf(at, zone).Equal(date)
	}
	switch {
	case fits(before) && fits(after) && before.After(after):
		return before.UTC()
	case fits(after):
		return after.UTC()
	}
	return before.UTC() // also where clocks skip the hour: as much later as they were set forward
}

// Relative is a period that is counted from the day on which a schedule runs.
type Relative string

// The relative periods: each ends the day before.
const (
	LastDay       Relative = "last_day"
	LastSevenDays Relative = "last_7_days"
	LastMonth     Relative = "last_month"
)

// Before returns the days that the period means on a calendar date of the business, as Period has dates. LastMonth is the month before that date's.
func (r Relative) Before(today time.Time) (Period, bool) {
	yesterday := today.AddDate(0, 0, -1)
	switch r {
	case LastDay:
		return Period{From: yesterday, To: yesterday}, true
	case LastSevenDays:
		return Period{From: today.AddDate(0, 0, -7), To: yesterday}, true
	case LastMonth:
		first := time.Date(today.Year(), today.Month(), 1, 0, 0, 0, 0, time.UTC)
		return Period{From: first.AddDate(0, -1, 0), To: first.AddDate(0, 0, -1)}, true
	default:
		return Period{}, false
	}
}
