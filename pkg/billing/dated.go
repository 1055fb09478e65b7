package billing

import (
	"time"

	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/problem"
)

// Errors of what is charged by the day: taxes and service charges. What was charged is never rewritten; a change holds from a day to come.
var (
	// ErrDates reports a tax or a charge that would begin, or end, before what was charged already, or that ends before it begins.
	ErrDates = problem.New(problem.Invalid, "", "", problem.FieldError{
		Pointer: "/effective_from", Field: "effective_from", Code: "out_of_range", Message: "must be after today, and not after effective_until; an end must not be before today",
	})
	// ErrCharged reports a change of what is charged already, without a day from which on it is to hold.
	ErrCharged = problem.New(problem.Conflict, "already_charged", "This is charged already. Say in effective_from from which day to come the change is to hold.")
	// ErrEnded reports a change of what is over.
	ErrEnded = problem.New(problem.Conflict, "ended", "This has ended. Let another one begin.")
	// ErrNextBegins reports an end that is not before the next one of the same code begins.
	ErrNextBegins = problem.New(problem.Conflict, "next_begins", "The next one of this code begins before that end.")
	// ErrNoDated reports a code that has nothing which begins on that day.
	ErrNoDated = problem.New(problem.NotFound, "", "")
)

// dated is a tax or a service charge with its days. One that ends the day before it begins never holds.
type dated struct {
	from, until time.Time // days; the zero until is no end
	what        any       // what is charged; comparable
}

// placement is how one is put among the others of its code, so that each day has one at most.
type placement struct {
	// fresh tells whether anything is to be written.
	fresh bool
	// until is its last day: the one that was asked for, or the last before the next one begins.
	until time.Time
	// ends is the first day of the one that ends the day before; zero when none does.
	ends time.Time
}

// place finds out what is to be written so that want holds from its first day on. rows are those of the code, by their days. One that has not begun may become another, or never
// hold; of one that has only the end may move, and not into the past. Errors: ErrDates, ErrCharged, ErrEnded, ErrNextBegins.
func place(rows []dated, want dated, today time.Time) (placement, error) {
	var old, before, next *dated
	for i := range rows {
		r := &rows[i]
		switch {
		case r.from.Equal(want.from):
			old = r
		case !r.until.IsZero() && r.until.Before(r.from): // never holds
		case r.from.Before(want.from):
			before = r
		case next == nil:
			next = r
		}
	}
	p := placement{until: want.until}
	if next != nil {
		switch {
		case want.until.IsZero():
			p.until = next.from.AddDate(0, 0, -1)
		case !want.until.Before(next.from):
			return p, ErrNextBegins
		}
	}
	never := !p.until.IsZero() && p.until.Before(want.from)
	if old == nil && (!want.from.After(today) || never) || never && p.until.Before(want.from.AddDate(0, 0, -1)) {
		return p, ErrDates
	}
	if old != nil && old.what == want.what && old.until.Equal(p.until) {
		return p, nil
	}
	if !want.from.After(today) {
		switch {
		case !old.until.IsZero() && old.until.Before(today):
			return p, ErrEnded
		case old.what != want.what:
			return p, ErrCharged
		case !p.until.IsZero() && p.until.Before(today):
			return p, ErrDates
		}
	}
	p.fresh = true
	if before != nil && !never && (before.until.IsZero() || !before.until.Before(want.from)) {
		p.ends = before.from
	}
	return p, nil
}

// DatedChange is what may be changed of the days of a tax or a service charge: nil leaves them.
type DatedChange struct {
	// From is the day from which on the change holds. What it changes ends the day before; without From it is changed as a whole, if it has not begun.
	From *time.Time
	// Until is the last day, the zero time for no end.
	Until *time.Time
}

// days are the days of what was from and until, changed. Errors: ErrDates.
func (c DatedChange) days(from, until time.Time) (time.Time, time.Time, error) {
	if c.From != nil && !c.From.Equal(from) {
		if c.From.Before(from) || !until.IsZero() && c.From.After(until) {
			return from, until, ErrDates // it would be no change of this one
		}
		from = *c.From
	}
	if c.Until != nil {
		until = *c.Until
	}
	return from, until, nil
}

// today is the day of an instant in Ghana, whose time is UTC all year.
func today(now time.Time) time.Time { return now.UTC().Truncate(24 * time.Hour) }

// takeTurns makes those who change prices, taxes and charges wait for each other until tx ends.
func takeTurns(tx *gorm.DB) error {
	_, err := exec(tx, "take turns changing prices", `select pg_advisory_xact_lock(hashtextextended('billing.pricing_tier', 0))`)
	return err
}

// end writes that what began on the day placement names ends the day before another begins. table is billing.tax_rate or billing.service_charge.
func (p placement) end(tx *gorm.DB, table, code string, begins time.Time) error {
	if p.ends.IsZero() {
		return nil
	}
	_, err := exec(tx, "end what was charged before", `update `+table+` set effective_until = $3::date - 1 where code = $1 and effective_from = $2::date`, code, date(p.ends), date(begins))
	return err
}

// date is a day as the database reads it: empty for the zero time.
func date(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.DateOnly)
}

// scanDays reads the two columns of days behind the others.
func scanDays(rows pgx.Rows, from, until *time.Time, others ...any) error {
	var end *time.Time
	if err := rows.Scan(append(others, from, &end)...); err != nil {
		return err
	}
	if end != nil {
		*until = *end
	}
	return nil
}
