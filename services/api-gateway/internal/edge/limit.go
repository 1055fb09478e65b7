package edge

import (
	"container/list"
	"context"
	"fmt"
	"math"
	"net/netip"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"golang.org/x/time/rate"

	"makola/pkg/problem"
)

// maxKeys bounds what a Limiter remembers: some 10 MiB. When it is full the key that was quiet longest is forgotten, and begins anew with a full bucket; a flood of
// addresses can therefore not make the process grow.
const maxKeys = 50_000

// Limiter is a token bucket per key. Safe for concurrent use.
//
// With a Share, all gateways together keep the limit. A process counts a key's requests and settles them with the shared bucket a chunk at a time, so that most
// requests cost no query and a quiet key none at all; when the shared bucket is overdrawn the key waits until it is filled again. The sum therefore exceeds the limit by a
// chunk per gateway at most. With a chunk of one every request asks, and the sum is exact. While the database is away each process keeps the limit alone.
type Limiter struct {
	// Name stands in the RateLimit headers.
	Name   string
	burst  int
	window time.Duration
	share  *Share // nil: this process alone
	chunk  int

	mu      sync.Mutex
	buckets map[string]*list.Element // of *bucket
	recent  *list.List               // most recently used in front
}

type bucket struct {
	key       string
	limiter   *rate.Limiter
	unsettled int       // requests that the shared bucket does not know of
	last      time.Time // of the last request
	closed    time.Time // the shared bucket has nothing before
	shared    int       // what the shared bucket had left
}

// NewLimiter allows burst requests at once and as many again spread over window.
func NewLimiter(name string, burst int, window time.Duration) *Limiter {
	return &Limiter{Name: name, burst: burst, window: window, buckets: map[string]*list.Element{}, recent: list.New()}
}

// Sharing makes the limiter one with those of its name in other gateways, settling chunk requests at a time. A nil share changes nothing. Call it before the first use.
func (l *Limiter) Sharing(share *Share, chunk int) *Limiter {
	l.share, l.chunk = share, max(1, chunk)
	return l
}

// bucketOf finds or makes a key's bucket. The caller holds mu.
func (l *Limiter) bucketOf(key string) *bucket {
	if e := l.buckets[key]; e != nil {
		l.recent.MoveToFront(e)
		return e.Value.(*bucket)
	}
	if l.recent.Len() >= maxKeys {
		oldest := l.recent.Back()
		l.recent.Remove(oldest)
		delete(l.buckets, oldest.Value.(*bucket).key)
	}
	b := &bucket{key: key, limiter: rate.NewLimiter(rate.Every(l.window/time.Duration(l.burst)), l.burst), shared: l.burst}
	l.buckets[key] = l.recent.PushFront(b)
	return b
}

// take spends one token of key, and settle says how many to settle with the shared bucket. When there is none it reports how long until there is.
func (l *Limiter) take(key string, now time.Time) (left, settle int, wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.bucketOf(key)
	if now.Before(b.closed) {
		return 0, 0, b.closed.Sub(now), false
	}
	ok = b.limiter.AllowN(now, 1)
	tokens := b.limiter.TokensAt(now)
	if !ok {
		return 0, 0, l.refill(1 - tokens), false
	}
	left = max(int(math.Floor(tokens)), 0)
	if l.share == nil {
		return left, 0, 0, true
	}
	if now.Sub(b.last) > l.window { // what it spent before has been refilled since
		b.unsettled, b.shared = 0, l.burst
	}
	b.last = now
	if b.unsettled++; b.unsettled >= l.chunk {
		settle, b.unsettled = b.unsettled, 0
	}
	return min(left, max(b.shared-b.unsettled, 0)), settle, 0, true
}

// settle takes what key has spent from the shared bucket. Only with a chunk of one can it refuse the request at hand; otherwise the bucket goes into debt, and the next waits.
func (l *Limiter) settle(ctx context.Context, key string, n, left int, now time.Time) (int, time.Duration, bool) {
	debt := l.chunk > 1
	tokens, taken, err := l.share.spend(ctx, l.Name, key, n, l.burst, l.window, debt)
	if err != nil {
		return left, 0, true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.bucketOf(key)
	b.shared = max(int(math.Floor(tokens)), 0)
	switch {
	case !taken:
		wait := l.refill(1 - tokens)
		b.closed = now.Add(wait)
		return 0, wait, false
	case tokens < 0:
		b.closed = now.Add(l.refill(-tokens))
	}
	return min(left, b.shared), 0, true
}

// refill is how long so many tokens take to come back.
func (l *Limiter) refill(tokens float64) time.Duration {
	return time.Duration(tokens * float64(l.window) / float64(l.burst))
}

// Allow spends one token of key, tells the client what is left in the RateLimit headers (draft-ietf-httpapi-ratelimit-headers-10), and returns an error
// that answers 429 with Retry-After when there is none.
func (l *Limiter) Allow(c *gin.Context, key string) error {
	now := time.Now()
	left, settle, wait, ok := l.take(key, now)
	if ok && settle > 0 {
		left, wait, ok = l.settle(c.Request.Context(), key, settle, left, now)
	}
	untilFull := time.Duration(l.burst-left) * l.window / time.Duration(l.burst)
	c.Writer.Header().Add("RateLimit-Policy", fmt.Sprintf("%q;q=%d;w=%d", l.Name, l.burst, seconds(l.window)))
	c.Writer.Header().Add("RateLimit", fmt.Sprintf("%q;r=%d;t=%d", l.Name, left, seconds(untilFull)))
	if ok {
		return nil
	}
	return problem.Later(problem.TooMany, "", "", wait)
}

func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

// AddressKey is what a client's address counts as: an IPv6 address with its neighbours in the same /64, because whoever has one has them all.
func AddressKey(c *gin.Context) string {
	ip, err := netip.ParseAddr(c.ClientIP())
	if err != nil {
		return "unknown"
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is6() {
		return netip.PrefixFrom(ip, 64).Masked().String()
	}
	return ip.String()
}
