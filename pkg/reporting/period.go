package reporting

import (
	"fmt"
	"time"
)

// MaxDays is the most days a report may be of: a leap year.
const MaxDays = 366

// Period is whole days, both included, as the business counts them. The zero Period is none.
type Period struct {
	// From and To are calendar dates, at midnight UTC.
	From, To time.Time
}

// ParsePeriod reads two dates as YYYY-MM-DD. today is the business's date, as Period has dates.
func ParsePeriod(start, end string, today time.Time) (p Period, err error) {
	if p.From, err = date("start_date", start); err != nil {
		return Period{}, err
	}
	if p.To, err = date("end_date", end); err != nil {
		return Period{}, err
	}
	return p, p.check(today)
}

func (p Period) check(today time.Time) error {
	switch {
	case p.To.Before(p.From):
		return fault("end_date", "before_start", "must not be before start_date")
	case p.To.After(today):
		return fault("end_date", "in_future", "must not be after today, "+today.Format(time.DateOnly))
	case p.days() > MaxDays:
		return fault("end_date", "too_long", fmt.Sprintf("must be at most %d days from start_date on", MaxDays))
	}
	return nil
}

func date(field, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, fault(field, "required", "is missing")
	}
	t, err := time.Parse(time.DateOnly, text)
	if err != nil || t.Year() < 2000 {
		return time.Time{}, fault(field, "invalid", "must be a date such as 2026-11-25")
	}
	return t, nil
}

func (p Period) days() int { return int(p.To.Sub(p.From).Hours()/24) + 1 }

// bounds are the instants at which the period begins and the day after it does.
func (p Period) bounds(zone *time.Location) (from, to time.Time) {
	return midnight(p.From, zone), midnight(p.To.AddDate(0, 0, 1), zone)
}

func midnight(day time.Time, zone *time.Location) time.Time {
	y, m, d := day.Date()
	return time.Date(y, m, d, 0, 0, 0, 0, zone)
}

// dayOf is the calendar date of an instant in a zone, as Period has dates.
func dayOf(at time.Time, zone *time.Location) time.Time {
	y, m, d := at.In(zone).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

// String says the period as people do.
func (p Period) String() string {
	const full = "2 January 2006"
	from, to := p.From, p.To
	switch {
	case from.IsZero():
		return ""
	case from.Equal(to):
		return to.Format(full)
	case from.Year() != to.Year():
		return from.Format(full) + " to " + to.Format(full)
	case from.Month() != to.Month():
		return from.Format("2 January") + " to " + to.Format(full)
	}
	return from.Format("2") + " to " + to.Format(full)
}
