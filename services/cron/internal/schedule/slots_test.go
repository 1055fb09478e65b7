package schedule

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// anyEntry draws an entry with sensible slots.
func anyEntry(t *rapid.T) Entry {
	every := time.Duration(rapid.IntRange(60, 14*24*3600).Draw(t, "every")) * time.Second
	offset := time.Duration(rapid.IntRange(0, int(every/time.Second)-1).Draw(t, "offset")) * time.Second
	return Entry{Name: "job", Every: every, Offset: offset, Missed: Missed(rapid.IntRange(int(Once), int(All)).Draw(t, "missed"))}
}

// anyInstant draws an instant between 1900 and 2200, to the nanosecond.
func anyInstant(t *rapid.T, name string) time.Time {
	return time.Unix(rapid.Int64Range(-2_208_988_800, 7_258_118_400).Draw(t, name), rapid.Int64Range(0, 999_999_999).Draw(t, name+" ns"))
}

func TestSlotsCutTimeWithoutGapsOrOverlaps(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e, at := anyEntry(t), anyInstant(t, "at")
		slot := e.SlotAt(at)
		if slot.After(at) || !slot.Add(e.Every).After(at) {
			t.Fatalf("%s is not in its slot, which begins %s and lasts %s", at, slot, e.Every)
		}
		if rest := (slot.Unix() - int64(e.Offset/time.Second)) % int64(e.Every/time.Second); rest != 0 || slot.Nanosecond() != 0 {
			t.Fatalf("slot %s is %d s off the grid", slot, rest)
		}
		if again := e.SlotAt(slot); !again.Equal(slot) {
			t.Fatalf("the slot of %s is %s", slot, again)
		}
		if before := e.SlotAt(slot.Add(-time.Nanosecond)); !before.Add(e.Every).Equal(slot) {
			t.Fatalf("the slot before %s is %s", slot, before)
		}
	})
}

func TestAPlanAccountsForEverySlotOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e, now := anyEntry(t), anyInstant(t, "now")
		current := e.SlotAt(now)
		missed := rapid.IntRange(-3, 3*MostMissed).Draw(t, "missed")
		last := current.Add(-time.Duration(missed+1) * e.Every)
		p := e.Plan(last, now)
		if missed < 0 {
			if len(p.Run)+len(p.Drop)+p.Forgotten != 0 {
				t.Fatalf("nothing is due at %s after slot %s, got %+v", now, last, p)
			}
			return
		}
		if got := len(p.Run) + len(p.Drop) + p.Forgotten; got != missed+1 {
			t.Fatalf("%d slots are due, the plan has %d", missed+1, got)
		}
		if e.Missed != All && len(p.Run) != 1 || e.Missed == All && len(p.Run) != min(missed+1, MostMissed) {
			t.Fatalf("policy %d with %d missed slots runs %d", e.Missed, missed, len(p.Run))
		}
		all := append(append([]time.Time{}, p.Drop...), p.Run...)
		for i, slot := range all {
			if want := current.Add(-time.Duration(len(all)-1-i) * e.Every); !slot.Equal(want) {
				t.Fatalf("slot %d of the plan is %s, want %s", i, slot, want)
			}
		}
	})
}

func TestAnchors(t *testing.T) {
	t.Parallel()
	entries := map[string]Entry{}
	for _, e := range Table() {
		entries[e.Name] = e
	}
	now := time.Date(2026, 11, 25, 6, 59, 59, 0, time.UTC) // a Wednesday
	tests := map[string]time.Time{
		"send-stock-movement-report":         time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC), // Monday
		"check-expiring-products":            time.Date(2026, 11, 24, 7, 0, 0, 0, time.UTC),
		"send-subscription-expiry-reminders": time.Date(2026, 11, 24, 7, 0, 0, 0, time.UTC),
		"generate-monthly-invoices":          time.Date(2026, 11, 25, 6, 20, 0, 0, time.UTC),
		"cleanup-inactive-users":             time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC),
		"check-payment-gateway-health":       time.Date(2026, 11, 25, 6, 55, 0, 0, time.UTC),
	}
	for name, want := range tests {
		require.Equal(t, want, entries[name].SlotAt(now), name)
	}
}
