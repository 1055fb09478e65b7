package reporting_test

import (
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"makola/pkg/reporting"
)

func zone(t require.TestingT, name string) *time.Location {
	z, err := time.LoadLocation(name)
	require.NoError(t, err)
	return z
}

func weekday(n int) *int { return &n }

func TestNextRun(t *testing.T) {
	t.Parallel()
	daily := func(hour int) reporting.Timing { return reporting.Timing{Frequency: reporting.Daily, Hour: hour} }
	weekly := func(day, hour int) reporting.Timing {
		return reporting.Timing{Frequency: reporting.Weekly, Hour: hour, DayOfWeek: &day}
	}
	monthly := func(day, hour int) reporting.Timing {
		return reporting.Timing{Frequency: reporting.Monthly, Hour: hour, DayOfMonth: &day}
	}
	for name, tt := range map[string]struct {
		timing            reporting.Timing
		zone, after, want string
	}{
		"today when the hour is still to come":                 {daily(9), "Africa/Accra", "2026-11-25T08:59:59Z", "2026-11-25T09:00:00Z"},
		"tomorrow at the hour itself":                          {daily(9), "Africa/Accra", "2026-11-25T09:00:00Z", "2026-11-26T09:00:00Z"},
		"by the clock of the business":                         {daily(0), "Africa/Lagos", "2026-11-25T22:59:00Z", "2026-11-25T23:00:00Z"},
		"over the end of a year":                               {daily(2), "Africa/Accra", "2026-12-31T02:00:00Z", "2027-01-01T02:00:00Z"},
		"Monday is the first day of the week":                  {weekly(0, 7), "Africa/Accra", "2026-11-25T12:00:00Z", "2026-11-30T07:00:00Z"},
		"Sunday is the last":                                   {weekly(6, 7), "Africa/Accra", "2026-11-29T07:00:00Z", "2026-12-06T07:00:00Z"},
		"a week over the end of a year":                        {weekly(4, 2), "Africa/Accra", "2026-12-26T00:00:00Z", "2027-01-01T02:00:00Z"},
		"the 28th of February":                                 {monthly(28, 2), "Africa/Accra", "2027-01-28T02:00:00Z", "2027-02-28T02:00:00Z"},
		"the 28th of a leap year's February":                   {monthly(28, 2), "Africa/Accra", "2028-02-28T01:00:00Z", "2028-02-28T02:00:00Z"},
		"the first, over the end of a year":                    {monthly(1, 23), "Africa/Accra", "2026-12-01T23:00:00Z", "2027-01-01T23:00:00Z"},
		"clocks go forward over the hour: as much later":       {daily(1), "Europe/London", "2026-03-28T02:00:00Z", "2026-03-29T01:00:00Z"},
		"and the day after as ever":                            {daily(1), "Europe/London", "2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z"},
		"clocks go back over the hour: the second time":        {daily(1), "Europe/London", "2026-10-24T12:00:00Z", "2026-10-25T01:00:00Z"},
		"and not at the first":                                 {daily(1), "Europe/London", "2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z"},
		"and once":                                             {daily(1), "Europe/London", "2026-10-25T01:00:00Z", "2026-10-26T01:00:00Z"},
		"a change at midnight":                                 {daily(0), "Africa/Cairo", "2026-04-23T12:00:00Z", "2026-04-23T22:00:00Z"},
		"a half hour's change":                                 {daily(2), "Australia/Lord_Howe", "2026-10-03T00:00:00Z", "2026-10-03T15:30:00Z"},
		"a day that a calendar left out falls on the next one": {daily(2), "Pacific/Apia", "2011-12-29T12:00:00Z", "2011-12-30T12:00:00Z"},
		"and once, then":                                       {daily(2), "Pacific/Apia", "2011-12-30T12:00:00Z", "2011-12-31T12:00:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			after, err := time.Parse(time.RFC3339, tt.after)
			require.NoError(t, err)
			require.Equal(t, tt.want, tt.timing.Next(after, zone(t, tt.zone)).Format(time.RFC3339))
		})
	}
}

// Invariant 33: a run is at its hour of one of its days, there is none in between, and each day has one.
func TestEveryDayOfAScheduleHasOneRun(t *testing.T) {
	t.Parallel()
	names := []string{"Africa/Accra", "Africa/Lagos", "Africa/Casablanca", "Africa/Cairo", "Europe/London", "America/New_York", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Kiritimati", "Pacific/Pago_Pago"}
	rapid.Check(t, func(t *rapid.T) {
		z := zone(t, rapid.SampledFrom(names).Draw(t, "zone"))
		timing := reporting.Timing{Hour: rapid.IntRange(0, 23).Draw(t, "hour"), Frequency: rapid.SampledFrom([]reporting.Frequency{reporting.Daily, reporting.Weekly, reporting.Monthly}).Draw(t, "frequency")}
		switch timing.Frequency {
		case reporting.Weekly:
			timing.DayOfWeek = weekday(rapid.IntRange(0, 6).Draw(t, "day of week"))
		case reporting.Monthly:
			timing.DayOfMonth = weekday(rapid.IntRange(1, 28).Draw(t, "day of month"))
		case reporting.Daily:
		}
		after := time.Unix(rapid.Int64Range(1_600_000_000, 2_000_000_000).Draw(t, "after"), 0).UTC()
		runs := timing.Following(after, z, 5)
		require.Len(t, runs, 5)
		seen := map[string]bool{}
		for i, run := range runs {
			require.True(t, run.After(after))
			local := run.In(z)
			date := local.Format(time.DateOnly)
			require.False(t, seen[date], "twice on %s", date)
			seen[date] = true
			switch timing.Frequency {
			case reporting.Weekly:
				require.Equal(t, (*timing.DayOfWeek+1)%7, int(local.Weekday()))
			case reporting.Monthly:
				require.Equal(t, *timing.DayOfMonth, local.Day())
			case reporting.Daily:
			}
			if local.Hour() != timing.Hour || local.Minute() != 0 { // only where the clocks skip the hour, or half of it
				asked := time.Date(local.Year(), local.Month(), local.Day(), timing.Hour, 0, 0, 0, z)
				require.False(t, asked.Hour() == timing.Hour && asked.Minute() == 0, "%s is not at %d o'clock", local, timing.Hour)
			}
			if i > 0 { // no day of its own lies between two runs
				gap := local.YearDay() - runs[i-1].In(z).YearDay()
				if gap < 0 {
					gap = int(local.Sub(runs[i-1]).Hours()+12) / 24
				}
				most := map[reporting.Frequency]int{reporting.Daily: 1, reporting.Weekly: 7, reporting.Monthly: 31}[timing.Frequency]
				require.LessOrEqual(t, gap, most)
			}
			require.Equal(t, run, timing.Next(run.Add(-time.Second), z), "from just before it the same")
			after = run
		}
	})
}

func TestRelativePeriods(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		period          reporting.Relative
		today, from, to string
	}{
		"the day before":                  {reporting.LastDay, "2026-11-25", "2026-11-24", "2026-11-24"},
		"the day before New Year":         {reporting.LastDay, "2027-01-01", "2026-12-31", "2026-12-31"},
		"the seven days before":           {reporting.LastSevenDays, "2026-03-02", "2026-02-23", "2026-03-01"},
		"the month before":                {reporting.LastMonth, "2026-11-28", "2026-10-01", "2026-10-31"},
		"the month before a longer one":   {reporting.LastMonth, "2026-03-31", "2026-02-01", "2026-02-28"},
		"the month before is last year's": {reporting.LastMonth, "2027-01-01", "2026-12-01", "2026-12-31"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			today, err := time.Parse(time.DateOnly, tt.today)
			require.NoError(t, err)
			p, ok := tt.period.Before(today)
			require.True(t, ok)
			require.Equal(t, []string{tt.from, tt.to}, []string{p.From.Format(time.DateOnly), p.To.Format(time.DateOnly)})
		})
	}
	_, ok := reporting.Relative("last_year").Before(time.Now())
	require.False(t, ok)
}
