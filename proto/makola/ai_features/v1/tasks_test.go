package aifeatures_test

import (
	"testing"
	"time"

	aifeatures "makola/proto/makola/ai_features/v1"
)

// A payment may arrive before its purchase can be found, for example while a restore runs, so its reference stays interesting for a day.
func TestUnknownReferenceIsRetriedForADay(t *testing.T) {
	t.Parallel()
	d := aifeatures.ProcessPaymentWebhookTask
	var waited time.Duration
	wait := d.BackoffBase
	for range d.MaxAttempts - 1 {
		waited += wait
		wait = min(2*wait, d.BackoffCap)
	}
	// Jitter of ±20 % on each of the 25 longest waits moves the sum by 35 min (one standard deviation); two hours are more than three of them.
	if want := 26 * time.Hour; waited < want {
		t.Errorf("the waits of %d attempts add up to %v, want at least %v", d.MaxAttempts, waited, want)
	}
}
