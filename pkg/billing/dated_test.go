package billing

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Days are counted from today, which is 0; no end is written as 99.
func TestWhatIsChargedByTheDayChangesOnDaysToComeAlone(t *testing.T) {
	t.Parallel()
	today := time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC)
	day := func(n int) time.Time { return today.AddDate(0, 0, n) }
	row := func(from, until int, what string) dated {
		d := dated{from: day(from), what: what}
		if until != 99 {
			d.until = day(until)
		}
		return d
	}
	holds, coming := row(-10, 99, "a"), row(5, 99, "b")
	for name, tc := range map[string]struct {
		rows []dated
		want dated
		err  error
		is   placement
	}{
		"the first of its code begins tomorrow":        {nil, row(1, 99, "a"), nil, placement{fresh: true}},
		"none begins today":                            {nil, row(0, 99, "a"), ErrDates, placement{}},
		"none ends before it begins":                   {nil, row(3, 2, "a"), ErrDates, placement{}},
		"one takes another's place":                    {[]dated{holds}, row(5, 99, "b"), nil, placement{fresh: true, ends: day(-10)}},
		"one holds until the next begins":              {[]dated{row(-10, 4, "a"), coming}, row(2, 99, "c"), nil, placement{fresh: true, until: day(4), ends: day(-10)}},
		"one does not reach into the next":             {[]dated{row(-10, 4, "a"), coming}, row(2, 5, "c"), ErrNextBegins, placement{}},
		"one follows what has ended":                   {[]dated{row(-10, -5, "a")}, row(1, 99, "a"), nil, placement{fresh: true}},
		"the same again changes nothing":               {[]dated{row(-10, 4, "a"), coming}, coming, nil, placement{}},
		"what has begun is not another":                {[]dated{holds}, row(-10, 99, "b"), ErrCharged, placement{}},
		"what has begun ends today":                    {[]dated{holds}, row(-10, 0, "a"), nil, placement{fresh: true, until: day(0)}},
		"what has begun does not end in the past":      {[]dated{holds}, row(-10, -1, "a"), ErrDates, placement{}},
		"an end to come is taken back":                 {[]dated{row(-10, 0, "a")}, holds, nil, placement{fresh: true}},
		"an end of the past is not":                    {[]dated{row(-10, -1, "a")}, holds, ErrEnded, placement{}},
		"what comes becomes another":                   {[]dated{row(-10, 4, "a"), coming}, row(5, 99, "c"), nil, placement{fresh: true}},
		"what comes never holds":                       {[]dated{row(-10, 4, "a"), coming}, row(5, 4, "b"), nil, placement{fresh: true, until: day(4)}},
		"what comes does not end days before":          {[]dated{row(-10, 4, "a"), coming}, row(5, 3, "b"), ErrDates, placement{}},
		"what never holds is in nobody's way":          {[]dated{holds, row(5, 4, "b")}, row(2, 9, "c"), nil, placement{fresh: true, until: day(9), ends: day(-10)}},
		"what never held ends another when it does":    {[]dated{holds, row(5, 4, "b")}, coming, nil, placement{fresh: true, ends: day(-10)}},
		"the one before is restored to its old end":    {[]dated{row(-10, 4, "a"), row(5, 4, "b")}, holds, nil, placement{fresh: true}},
		"what is unchanged and over is no error":       {[]dated{row(-10, -1, "a")}, row(-10, -1, "a"), nil, placement{}},
		"one that begins where another ends is beside": {[]dated{row(-10, 4, "a")}, coming, nil, placement{fresh: true}},
	} {
		p, err := place(tc.rows, tc.want, today)
		require.ErrorIs(t, err, tc.err, name)
		if tc.err == nil {
			require.Equal(t, tc.is.fresh, p.fresh, name)
		}
		if tc.is.fresh {
			require.Equal(t, tc.is, p, name)
		}
	}
}
