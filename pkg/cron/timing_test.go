package cron

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// in reads a time of a zone as its people write it, with the zone's abbreviation or offset where it is said twice.
func in(t *testing.T, zone, text string) time.Time {
	t.Helper()
	loc, err := time.LoadLocation(zone)
	require.NoError(t, err)
	at, err := time.ParseInLocation("2006-01-02 15:04 -0700", text, loc)
	if err != nil {
		at, err = time.ParseInLocation("2006-01-02 15:04", text, loc)
	}
	require.NoError(t, err)
	return at
}

func TestSlotsOfAnExpressionFollowTheClockOfItsZone(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		expression, zone, after string
		want                    []string
	}{
		"the first of the month": {"30 0 1 * *", "Africa/Accra", "2026-11-30 23:00", []string{"2026-12-01 00:30", "2027-01-01 00:30", "2027-02-01 00:30", "2027-03-01 00:30"}},
		"Monday at seven":        {"0 7 * * MON", "Africa/Accra", "2026-11-23 07:00", []string{"2026-11-30 07:00", "2026-12-07 07:00"}},
		"the 31st, in the months that have one": {"0 7 31 * *", "Africa/Lagos", "2026-01-31 07:00",
			[]string{"2026-03-31 07:00", "2026-05-31 07:00", "2026-07-31 07:00", "2026-08-31 07:00"}},
		"a leap day":                                       {"0 7 29 2 *", "Africa/Accra", "2026-01-01 00:00", []string{"2028-02-29 07:00", "2032-02-29 07:00"}},
		"a daily time on both sides of a spring":           {"0 7 * * *", "America/New_York", "2026-03-07 12:00", []string{"2026-03-08 07:00", "2026-03-09 07:00"}},
		"a time that the clocks skip comes an hour later":  {"30 2 * * *", "America/New_York", "2026-03-07 12:00", []string{"2026-03-08 03:30", "2026-03-09 02:30"}},
		"a time that comes twice is taken the second time": {"30 1 * * *", "America/New_York", "2026-10-31 12:00", []string{"2026-11-01 01:30 -0500", "2026-11-02 01:30"}},
		"the same in Europe":                               {"30 2 * * *", "Europe/Berlin", "2026-10-24 12:00", []string{"2026-10-25 02:30 +0100", "2026-10-26 02:30"}},
		"a midnight that does not exist":                   {"0 0 * * *", "America/Sao_Paulo", "2018-11-03 12:00", []string{"2018-11-04 01:00", "2018-11-05 00:00"}},
		"half an hour":                                     {"15 2 * * *", "Australia/Lord_Howe", "2026-10-03 12:00", []string{"2026-10-04 02:45", "2026-10-05 02:15"}},
		"a date that does not exist is no second slot":     {"0 7 * * *", "Pacific/Apia", "2011-12-28 12:00", []string{"2011-12-29 07:00", "2011-12-31 07:00", "2012-01-01 07:00"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			timing := Timing{Expression: tt.expression, Zone: tt.zone}
			require.NoError(t, timing.Validate())
			begin := in(t, tt.zone, tt.after)
			last := begin
			for _, text := range tt.want {
				want, got := in(t, tt.zone, text).UTC(), timing.Next(last)
				require.Equal(t, want, got, "after %s", last)
				require.Equal(t, got, timing.At(got), "a slot begins with its beginning")
				require.Equal(t, got, timing.At(timing.Next(got).Add(-time.Nanosecond)), "and lasts until the next")
				last = got
			}
			slots, more := timing.Between(begin, last.Add(time.Second), 100)
			require.Len(t, slots, len(tt.want))
			require.Zero(t, more)
			slots, more = timing.Between(begin, last.Add(time.Second), 1)
			require.Equal(t, []time.Time{last}, slots, "the newest are kept")
			require.Equal(t, len(tt.want)-1, more)
		})
	}
}

// Whatever the zone and however its clocks are set, slots follow one another without gaps or repetitions, and there is one for each date.
func TestEveryDateHasOneSlotInEveryZone(t *testing.T) {
	t.Parallel()
	zones := []string{"UTC", "Africa/Accra", "Africa/Cairo", "Africa/Casablanca", "America/New_York", "America/Sao_Paulo", "Asia/Kathmandu", "Australia/Lord_Howe", "Europe/London", "Pacific/Apia", "Pacific/Kiritimati"}
	rapid.Check(t, func(t *rapid.T) {
		timing := Timing{Zone: rapid.SampledFrom(zones).Draw(t, "zone")}
		timing.Expression = rapid.StringMatching(`[1-5]?[0-9] (1?[0-9]|2[0-3]) \* \* \*`).Draw(t, "expression")
		at := time.Unix(rapid.Int64Range(946_684_800, 2_208_988_800).Draw(t, "at"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns"))
		slot, next := timing.At(at), timing.Next(at)
		switch {
		case slot.After(at) || !next.After(at):
			t.Fatalf("%s is not between %s and %s", at, slot, next)
		case !timing.Next(slot).Equal(next):
			t.Fatalf("after slot %s comes %s, and after %s, which lies in it, %s", slot, timing.Next(slot), at, next)
		case !timing.At(next).Equal(next), !timing.At(next.Add(-time.Nanosecond)).Equal(slot):
			t.Fatalf("slot %s does not end where %s begins", slot, next)
		case next.Sub(slot) < 22*time.Hour || next.Sub(slot) > 50*time.Hour:
			t.Fatalf("%s lies between slot %s and the next", next.Sub(slot), slot)
		}
		zone, err := time.LoadLocation(timing.Zone)
		if err != nil {
			t.Fatal(err)
		}
		if slot.In(zone).Format(time.DateOnly) == next.In(zone).Format(time.DateOnly) {
			t.Fatalf("%s and %s are of one date", slot.In(zone), next.In(zone))
		}
	})
}

func TestAFaultyTimingIsRefused(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		timing Timing
		want   string
	}{
		"nothing":                       {Timing{}, "make no sense"},
		"less than a minute":            {Timing{Every: time.Second}, "make no sense"},
		"a broken second":               {Timing{Every: time.Minute + time.Millisecond}, "make no sense"},
		"a shift longer than the slot":  {Timing{Every: time.Hour, Offset: time.Hour}, "make no sense"},
		"both kinds":                    {Timing{Every: time.Hour, Expression: "0 7 * * *", Zone: "UTC"}, "both an interval and an expression"},
		"a zone without an expression":  {Timing{Every: time.Hour, Zone: "UTC"}, "both an interval and an expression"},
		"an expression without a zone":  {Timing{Expression: "0 7 * * *"}, "needs a zone"},
		"no such zone":                  {Timing{Expression: "0 7 * * *", Zone: "Africa/Wakanda"}, `its zone "Africa/Wakanda" does not exist`},
		"whatever zone the machine has": {Timing{Expression: "0 7 * * *", Zone: "Local"}, `its zone "Local" does not exist`},
		"four fields":                   {Timing{Expression: "0 7 * *", Zone: "UTC"}, "write minute, hour"},
		"every minute":                  {Timing{Expression: "* 7 * * *", Zone: "UTC"}, "one number for minute and hour"},
		"every other hour":              {Timing{Expression: "0 */2 * * *", Zone: "UTC"}, "one number for minute and hour"},
		"a word":                        {Timing{Expression: "@daily", Zone: "UTC"}, "write minute, hour"},
		"what makes the parser panic":   {Timing{Expression: "TZ=0", Zone: "UTC"}, "write minute, hour"},
		"an hour that is none":          {Timing{Expression: "0 24 * * *", Zone: "UTC"}, "read its expression"},
		"a day that is none":            {Timing{Expression: "0 7 * * FRY", Zone: "UTC"}, "read its expression"},
		"a date that never comes":       {Timing{Expression: "0 7 30 2 *", Zone: "UTC"}, "names no date that exists"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.ErrorContains(t, tt.timing.Validate(), tt.want)
		})
	}
}

func TestATimingInWords(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for want, timing := range map[string]Timing{
		"every 30 min":                            {Every: 30 * time.Minute},
		"every 10 min, shifted by 5 min":          {Every: 10 * time.Minute, Offset: 5 * time.Minute},
		"every 6 h":                               {Every: 6 * time.Hour},
		"every day at 03:20 UTC":                  {Every: day, Offset: 3*time.Hour + 20*time.Minute},
		"every Monday at 07:00 UTC":               {Every: 7 * day, Offset: 4*day + 7*time.Hour},
		"30 0 1 * * by the clock of Africa/Accra": {Expression: "30 0 1 * *", Zone: "Africa/Accra"},
		"every 1m30s":                             {Every: 90 * time.Second},
	} {
		require.Equal(t, want, timing.Words())
	}
}
