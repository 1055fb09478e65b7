package assist

import (
	"fmt"
	"time"
)

// maxDays is the most days a period may have: a leap year.
const maxDays = 366

// The periods that a model may choose from. What "custom" means is in two dates beside it.
const (
	today      = "today"
	yesterday  = "yesterday"
	thisWeek   = "this_week"
	lastWeek   = "last_week"
	last7Days  = "last_7_days"
	last30Days = "last_30_days"
	thisMonth  = "this_month"
	lastMonth  = "last_month"
	thisYear   = "this_year"
	lastYear   = "last_year"
	custom     = "custom"
)

var periods = []string{last30Days, today, yesterday, thisWeek, lastWeek, last7Days, thisMonth, lastMonth, thisYear, lastYear, custom}

// span is whole days of the business, both included, as dates at midnight UTC.
type span struct{ from, to time.Time }

// readPeriod turns a choice into days. now is the business's date.
func readPeriod(name string, from, to *string, now time.Time) (s span, err error) {
	month := now.AddDate(0, 0, 1-now.Day())
	monday := now.AddDate(0, 0, -(int(now.Weekday())+6)%7)
	year := time.Date(now.Year(), time.January, 1, 0, 0, 0, 0, time.UTC)
	if name != custom && (from != nil || to != nil) {
		return s, fmt.Errorf("dates belong to the period %s alone", custom)
	}
	switch name {
	case today:
		return span{now, now}, nil
	case yesterday:
		return span{now.AddDate(0, 0, -1), now.AddDate(0, 0, -1)}, nil
	case thisWeek:
		return span{monday, now}, nil
	case lastWeek:
		return span{monday.AddDate(0, 0, -7), monday.AddDate(0, 0, -1)}, nil
	case last7Days:
		return span{now.AddDate(0, 0, -6), now}, nil
	case last30Days:
		return span{now.AddDate(0, 0, -29), now}, nil
	case thisMonth:
		return span{month, now}, nil
	case lastMonth:
		return span{month.AddDate(0, -1, 0), month.AddDate(0, 0, -1)}, nil
	case thisYear:
		return span{year, now}, nil
	case lastYear:
		return span{year.AddDate(-1, 0, 0), year.AddDate(0, 0, -1)}, nil
	case custom:
		return readDates(from, to, now)
	}
	return s, fmt.Errorf("there is no such period")
}

func readDates(from, to *string, now time.Time) (s span, err error) {
	if from == nil || to == nil {
		return s, fmt.Errorf("the period %s has no dates", custom)
	}
	if s.from, err = time.Parse(time.DateOnly, *from); err == nil {
		s.to, err = time.Parse(time.DateOnly, *to)
	}
	switch {
	case err != nil || s.from.Year() < 2000:
		return span{}, fmt.Errorf("the dates of the period are none")
	case s.to.Before(s.from), s.to.After(now), s.to.Sub(s.from) >= maxDays*24*time.Hour:
		return span{}, fmt.Errorf("the dates are no period up to today of at most %d days", maxDays)
	}
	return s, nil
}

// bounds are the instants at which the days begin and the day after them does.
func (s span) bounds(zone *time.Location) (from, to time.Time) {
	return midnight(s.from, zone), midnight(s.to.AddDate(0, 0, 1), zone)
}

func midnight(day time.Time, zone *time.Location) time.Time {
	y, m, d := day.Date()
	return time.Date(y, m, d, 0, 0, 0, 0, zone)
}

// dayOf is the calendar date of an instant in a zone, at midnight UTC.
func dayOf(at time.Time, zone *time.Location) time.Time {
	y, m, d := at.In(zone).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

// String says the days in a way that machines and people read.
func (s span) String() string {
	if s.from.Equal(s.to) {
		return s.from.Format(time.DateOnly)
	}
	return s.from.Format(time.DateOnly) + " to " + s.to.Format(time.DateOnly)
}
