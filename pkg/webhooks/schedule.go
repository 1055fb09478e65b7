package webhooks

import (
	"math/rand/v2"
	"time"
)

// GiveUpAfter is how long a delivery is tried.
const GiveUpAfter = 72 * time.Hour

// waits are the times between attempts; the last goes on until GiveUpAfter. Whoever restarts a server is back at the second or third, and whoever sleeps over it has their events in
// the morning.
var waits = [...]time.Duration{5 * time.Second, time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 12 * time.Hour}

// maxRetryAfter is the longest Retry-After that is heeded.
const maxRetryAfter = 12 * time.Hour

// nextWait is how long to wait after the given number of failed attempts at a delivery of that age; ok is false when it is over. The last attempt is made when GiveUpAfter has
// passed. The other side may ask for more than our own time, not for less.
func nextWait(attempts int, age, asked time.Duration) (wait time.Duration, ok bool) {
	if age >= GiveUpAfter {
		return 0, false
	}
	wait = waits[min(max(attempts, 1), len(waits))-1]
	wait += rand.N(wait/5) - wait/10 //nolint:gosec // jitter, not a secret
	wait = max(wait, min(asked, maxRetryAfter))
	return min(wait, GiveUpAfter-age), true
}

const (
	// pauseAfter is after how many failures in a row an endpoint is left alone for a while, whatever waits for it.
	pauseAfter = 3
	// pauseBase doubles with each further failure, up to pauseMost.
	pauseBase, pauseMost = 30 * time.Second, time.Hour
	// trying is how long one attempt at an endpoint that was left alone keeps the others back: longer than an attempt takes, so that they learn from it.
	trying = 45 * time.Second
	// disableAfter is how long an endpoint may fail: an hour less than GiveUpAfter, so that the last attempt of the delivery that failed first decides.
	disableAfter = GiveUpAfter - time.Hour
)

// pauseFor is how long an endpoint is left alone after that many failures in a row.
func pauseFor(failures int) time.Duration {
	if failures < pauseAfter {
		return 0
	}
	wait := pauseBase
	for i := pauseAfter; i < failures && wait < pauseMost; i++ {
		wait *= 2
	}
	return min(wait, pauseMost)
}
