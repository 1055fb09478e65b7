package notifications

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestEveryKindOfMailSaysWhichSwitchesItObeys(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	found := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		require.NoError(t, err)
		for _, d := range file.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Recv == nil || fn.Name.Name != "Template" {
				continue
			}
			template, err := strconv.Unquote(fn.Body.List[0].(*ast.ReturnStmt).Results[0].(*ast.BasicLit).Value)
			require.NoError(t, err)
			require.Contains(t, switchesOf, template, "say in switchesOf which switches these mails obey; nil is for security and payments alone")
			found++
		}
	}
	require.Len(t, switchesOf, found)
}

func TestNoMailWithATokenWaitsOrIsTurnedOff(t *testing.T) {
	t.Parallel()
	for _, template := range secretTemplates() {
		require.Nil(t, switchesOf[template], template)
	}
}

func TestQuietHoursEndWhenTheBusinesssClockSaysSo(t *testing.T) {
	t.Parallel()
	const night, day = 21 * 60, 6*60 + 30
	for name, c := range map[string]struct {
		now, zone  string
		start, end int
		until      string // empty: it is not quiet
	}{
		"before the night":                     {"2026-03-01T20:59:59Z", "Africa/Accra", night, day, ""},
		"as it begins":                         {"2026-03-01T21:00:00Z", "Africa/Accra", night, day, "2026-03-02T06:30:00Z"},
		"before midnight":                      {"2026-02-28T23:59:59Z", "Africa/Accra", night, day, "2026-03-01T06:30:00Z"},
		"after midnight":                       {"2026-03-01T00:00:00Z", "Africa/Accra", night, day, "2026-03-01T06:30:00Z"},
		"in its last minute":                   {"2026-03-01T06:29:30Z", "Africa/Accra", night, day, "2026-03-01T06:30:30Z"},
		"as it ends":                           {"2026-03-01T06:30:00Z", "Africa/Accra", night, day, ""},
		"the last night of the year":           {"2026-12-31T22:00:00Z", "Africa/Accra", night, day, "2027-01-01T06:30:00Z"},
		"quiet at noon, before":                {"2026-03-01T11:59:00Z", "Africa/Accra", 12 * 60, 14 * 60, ""},
		"quiet at noon":                        {"2026-03-01T12:30:00Z", "Africa/Accra", 12 * 60, 14 * 60, "2026-03-01T14:00:00Z"},
		"quiet at noon, after":                 {"2026-03-01T14:00:00Z", "Africa/Accra", 12 * 60, 14 * 60, ""},
		"another zone's night":                 {"2026-03-01T20:30:00Z", "Africa/Lagos", night, day, "2026-03-02T05:30:00Z"},
		"a zone that nobody knows is UTC":      {"2026-03-01T21:30:00Z", "Mars/Olympus", night, day, "2026-03-02T06:30:00Z"},
		"the night in which the clock goes on": {"2026-03-28T22:00:00Z", "Europe/London", night, day, "2026-03-29T05:30:00Z"},
		"the night in which it goes back":      {"2026-10-24T21:00:00Z", "Europe/London", night, day, "2026-10-25T06:30:00Z"},
		"an hour that comes twice":             {"2026-10-25T01:15:00Z", "Europe/London", night, 90, "2026-10-25T01:30:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now, err := time.Parse(time.RFC3339, c.now)
			require.NoError(t, err)
			want := time.Duration(0)
			if c.until != "" {
				until, err := time.Parse(time.RFC3339, c.until)
				require.NoError(t, err)
				want = until.Sub(now)
			}
			require.Equal(t, want, quietFor(now, c.zone, c.start, c.end))
		})
	}
}

func TestAnUnsubscribeLinkSaysWhatItSaidAndNothingElse(t *testing.T) {
	t.Parallel()
	const first, second = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
	parse := func(text string) *UnsubscribeKeys {
		k, err := ParseUnsubscribeKeys(text)
		require.NoError(t, err)
		return k
	}
	shop := uuid.New()
	token := parse(first).Token(shop, SystemUpdates)
	require.Regexp(t, `^[A-Za-z0-9_-]+$`, token)
	for _, keys := range []string{first, second + ", " + first} {
		business, off, err := parse(keys).Read(token)
		require.NoError(t, err)
		require.Equal(t, shop, business)
		require.Equal(t, SystemUpdates, off)
	}
	_, _, err := parse(second).Read(token)
	require.ErrorIs(t, err, ErrUnsubscribe, "signed by a key that is gone")
	raw := []byte(token)
	for i := range raw {
		forged := append([]byte{}, raw...)
		forged[i] ^= 1
		_, _, err := parse(first).Read(string(forged))
		require.ErrorIs(t, err, ErrUnsubscribe, "character %d", i)
	}
	for _, text := range []string{"", token[1:], token + "A", strings.Repeat("A", 5000)} {
		_, _, err := parse(first).Read(text)
		require.ErrorIs(t, err, ErrUnsubscribe)
	}
	none, err := ParseUnsubscribeKeys(" ")
	require.NoError(t, err)
	require.Nil(t, none)
	_, err = ParseUnsubscribeKeys(first + ",short")
	require.ErrorContains(t, err, "key 2 has 5 bytes")
	require.NotContains(t, err.Error(), "short")
}
