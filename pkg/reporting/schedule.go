package reporting

import (
	"errors"
	"fmt"
	netmail "net/mail"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"makola/pkg/mail"
	"makola/pkg/problem"
)

const (
	// MaxSchedules is how many schedules a business may have: what runs at two o'clock must be done when the shop opens.
	MaxSchedules = 50
	// MaxRecipients is how many addresses one export is sent to, besides whoever made the schedule.
	MaxRecipients = 20
)

// Errors of schedules. Their words are what a client reads.
var (
	// ErrNoSchedule reports a schedule that does not exist, is another business's, or is not for the person who asks.
	ErrNoSchedule = problem.New(problem.NotFound, "export_schedule_not_found", "There is no such export schedule.")
	// ErrScheduleName reports a name that another schedule of the business has.
	ErrScheduleName = problem.New(problem.Conflict, "export_schedule_name_taken", "Another export schedule of this business has this name.")
	// ErrTooManySchedules reports a business that has MaxSchedules.
	ErrTooManySchedules = problem.New(problem.Conflict, "too_many_export_schedules", fmt.Sprintf("A business may have %d export schedules. Delete one first.", MaxSchedules))
	// ErrScheduleNotYours reports a schedule on the log of what was done, which owners and admins alone may have.
	ErrScheduleNotYours = problem.New(problem.Forbidden, "export_schedule_not_yours", "The log of what was done is for owners and admins.")

	// ErrCreatorGone reports a schedule whose maker has left the business or may not export any more: it must not go on sending what they could not see. An admin who changes
	// it takes it over.
	ErrCreatorGone = errors.New("whoever made this schedule may not export any more; an admin takes it over by changing it")
	// ErrScheduleGone reports a run whose schedule was deleted before it began.
	ErrScheduleGone = errors.New("the schedule was deleted")
)

// Schedule is a report that is made by the clock and mailed.
type Schedule struct {
	ID   uuid.UUID
	Name string
	// Kind, Format, Storefront and IncludeZeroStock are what each run is of; Period is for kinds that are of a period, counted from the day of the run. The zero Storefront is all that
	// its maker may see.
	Kind             Kind
	Format           Format
	Period           Relative
	Storefront       uuid.UUID
	IncludeZeroStock bool
	Timing
	// Recipients are bare addresses. With IncludeCreator its maker is one of them; with nobody at all the mail goes to the business's default recipients.
	Recipients     []string
	IncludeCreator bool
	// Subject and Message are the maker's own words in the mail; empty ones are Makola's.
	Subject, Message string
	Active           bool
	// NextRun is zero while it is paused.
	NextRun time.Time
	LastRun *time.Time
	User    uuid.UUID

	CreatedAt, UpdatedAt time.Time
}

// ScheduleKinds are what schedules may be of.
func ScheduleKinds() []Kind { return []Kind{Sales, Inventory, Customers, AuditLogs} }

// ScheduleChange is what a request says of a schedule: nil members stay, or have their defaults in a new one.
type ScheduleChange struct {
	Name, Kind, Format, Period, Frequency *string
	Hour                                  *int
	// DayOfWeek and DayOfMonth go when the frequency has no use for them.
	DayOfWeek, DayOfMonth *int
	// Storefront is one that whoever asks may see; the zero id is all of them.
	Storefront       *uuid.UUID
	IncludeZeroStock *bool
	Recipients       *[]string
	IncludeCreator   *bool
	Subject, Message *string
}

// defaultHour is when the shop is closed and the day's sales are in.
const defaultHour = 2

// with returns the schedule as the change makes it, checked. Errors: faults of members, as problem.Error.
func (s Schedule) with(c ScheduleChange) (Schedule, error) {
	set(&s.Name, c.Name)
	set((*string)(&s.Kind), c.Kind)
	set((*string)(&s.Period), c.Period)
	set((*string)(&s.Frequency), c.Frequency)
	set(&s.Hour, c.Hour)
	set(&s.Storefront, c.Storefront)
	set(&s.IncludeZeroStock, c.IncludeZeroStock)
	set(&s.IncludeCreator, c.IncludeCreator)
	set(&s.Subject, c.Subject)
	set(&s.Message, c.Message)
	s.Name, s.Subject, s.Message = strings.TrimSpace(s.Name), strings.TrimSpace(s.Subject), strings.TrimSpace(s.Message)
	if c.Frequency != nil || c.DayOfWeek != nil || c.DayOfMonth != nil { // the days of another frequency go with it
		if s.Frequency != Weekly || c.DayOfWeek != nil {
			s.DayOfWeek = c.DayOfWeek
		}
		if s.Frequency != Monthly || c.DayOfMonth != nil {
			s.DayOfMonth = c.DayOfMonth
		}
	}
	if s.Name == "" {
		return s, fault("name", "required", "must not be empty")
	}
	if err := s.checkWords(); err != nil {
		return s, err
	}
	if !slices.Contains(ScheduleKinds(), s.Kind) {
		return s, fault("kind", "unknown", "must be one of sales, inventory, customers, audit_logs")
	}
	format := string(s.Format)
	if c.Kind != nil && c.Format == nil && !slices.Contains(formats[s.Kind], s.Format) {
		format = ""
	}
	set(&format, c.Format)
	var err error
	if s.Format, err = s.Kind.format(format); err != nil {
		return s, err
	}
	if err := s.checkFilters(c); err != nil {
		return s, err
	}
	if err := s.check(); err != nil {
		return s, err
	}
	if c.Recipients != nil {
		s.Recipients, err = Recipients("recipients", *c.Recipients)
	}
	return s, err
}

// checkWords checks what strangers read: whom a schedule names need not have asked for it, so its words must not be an advertisement's, and must not look like another's mail.
func (s *Schedule) checkWords() error {
	for _, one := range []struct{ field, text, breaks string }{{"name", s.Name, ""}, {"subject", s.Subject, ""}, {"message", s.Message, "\r\n\t"}} {
		if strings.ContainsFunc(one.text, func(r rune) bool {
			return (unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)) && !strings.ContainsRune(one.breaks, r)
		}) || !utf8.ValidString(one.text) {
			what := "must be one line of text, without control characters"
			if one.breaks != "" {
				what = "must be text without control characters"
			}
			return fault(one.field, "invalid", what)
		}
		if mail.HasLink(one.text) {
			return fault(one.field, "link", "must not have web or mail addresses in it; a full stop needs a space behind it")
		}
	}
	return nil
}

// checkFilters checks what a run is narrowed to, and forgets what a kind has no use for when the change is of the kind.
func (s *Schedule) checkFilters(c ScheduleChange) error {
	dated := s.Kind.dated()
	if !dated && c.Period == nil {
		s.Period = ""
	}
	if s.Kind != Sales && c.Storefront == nil {
		s.Storefront = uuid.Nil
	}
	if s.Kind != Inventory && c.IncludeZeroStock == nil {
		s.IncludeZeroStock = false
	}
	_, known := s.Period.Before(time.Time{})
	switch {
	case dated && s.Period == "":
		return fault("period", "required", "must be one of last_day, last_7_days, last_month for this kind of report")
	case dated && !known:
		return fault("period", "unknown", "must be one of last_day, last_7_days, last_month")
	case !dated && s.Period != "":
		return fault("period", "not_allowed", "is for reports of a period")
	case s.Kind != Sales && s.Storefront != uuid.Nil:
		return fault("storefront_id", "not_allowed", "is for reports on sales")
	case s.Kind != Inventory && s.IncludeZeroStock:
		return fault("include_zero_stock", "not_allowed", "is for reports on stock")
	}
	return nil
}

// set copies what a change names.
func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

// Recipients checks addresses and returns them in lower case, each once.
func Recipients(field string, list []string) ([]string, error) {
	all := []string{}
	for _, text := range list {
		text = strings.ToLower(strings.TrimSpace(text))
		a, err := netmail.ParseAddress(text)
		if err != nil || a.Address != text || len(text) > 254 || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
			return nil, fault(field, "invalid", "must be mail addresses such as ama@example.com")
		}
		if !slices.Contains(all, text) {
			all = append(all, text)
		}
	}
	if len(all) > MaxRecipients {
		return nil, fault(field, "too_many", fmt.Sprintf("must be %d addresses at most", MaxRecipients))
	}
	return all, nil
}
