package edge

import (
	"container/list"
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
type Limiter struct {
	// Name stands in the RateLimit headers.
	Name   string
	burst  int
	window time.Duration

	mu      sync.Mutex
	buckets map[string]*list.Element // of *bucket
	recent  *list.List               // most recently used in front
}

type bucket struct {
	key     string
	limiter *rate.Limiter
}

// NewLimiter allows burst requests at once and as many again spread over window.
func NewLimiter(name string, burst int, window time.Duration) *Limiter {
	return &Limiter{Name: name, burst: burst, window: window, buckets: map[string]*list.Element{}, recent: list.New()}
}

// take spends one token of key. When there is none it reports how long until there is.
func (l *Limiter) take(key string, now time.Time) (left int, wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.buckets[key]
	if e == nil {
		if l.recent.Len() >= maxKeys {
			oldest := l.recent.Back()
			l.recent.Remove(oldest)
			delete(l.buckets, oldest.Value.(*bucket).key)
		}
		e = l.recent.PushFront(&bucket{key: key, limiter: rate.NewLimiter(rate.Every(l.window/time.Duration(l.burst)), l.burst)})
		l.buckets[key] = e
	} else {
		l.recent.MoveToFront(e)
	}
	b := e.Value.(*bucket).limiter
	ok = b.AllowN(now, 1)
	tokens := b.TokensAt(now)
	if !ok {
		wait = time.Duration((1 - tokens) * float64(l.window) / float64(l.burst))
	}
	return max(int(math.Floor(tokens)), 0), wait, ok
}

// Allow spends one token of key, tells the client what is left in the RateLimit headers (draft-ietf-httpapi-ratelimit-headers-10), and returns an error
// that answers 429 with Retry-After when there is none.
func (l *Limiter) Allow(c *gin.Context, key string) error {
	left, wait, ok := l.take(key, time.Now())
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
