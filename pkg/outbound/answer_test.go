package outbound_test

import (
	"net/http"
	"testing"
	"time"

	"makola/pkg/outbound"
)

func TestRetryAfterIsReadInBothFormsAndBelievedWithinReason(t *testing.T) {
	t.Parallel()
	const date = "Mon, 02 Mar 2026 09:15:21 GMT"
	for _, tc := range []struct {
		name, text string
		want       time.Duration
	}{
		{"seconds", "7", 7 * time.Second},
		{"a date, by the provider's clock", "Mon, 02 Mar 2026 09:17:21 GMT", 2 * time.Minute},
		{"a date that is past", "Mon, 02 Mar 2026 09:15:00 GMT", 0},
		{"nothing", "", 0},
		{"zero", "0", 0},
		{"negative", "-5", 0},
		{"a day is too long to believe", "86400", time.Hour},
		{"so is a date next year", "Tue, 02 Mar 2027 09:15:21 GMT", time.Hour},
		{"beyond 64 bits", "99999999999999999999", 0},
		{"words", "soon", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := outbound.RetryAfter(http.Header{"Retry-After": {tc.text}, "Date": {date}}, time.Hour); got != tc.want {
				t.Errorf("got %v", got)
			}
		})
	}
	at := time.Now().Add(time.Minute).UTC().Format(http.TimeFormat)
	if got := outbound.RetryAfter(http.Header{"Retry-After": {at}}, time.Hour); got <= 0 || got > time.Minute {
		t.Errorf("without the provider's clock: %v", got)
	}
}
