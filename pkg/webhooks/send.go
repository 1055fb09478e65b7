package webhooks

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"makola/pkg/outbound"
)

// AnswerTime is how long an endpoint has to answer, from the first byte of the connection to the last that is read.
const AnswerTime = 10 * time.Second

// MostAtOnce is how many requests one process has under way at one endpoint: a busy one does not take all the places.
const MostAtOnce = 2

// slowAfter is how long a request may take without its endpoint being called slow, until it answers faster. What is slow shares a half of the places of a process, and what is slow of
// one business a quarter: whoever takes ten seconds for each answer, and so fails never and is never left alone, keeps nobody waiting but themselves.
const slowAfter = 2 * time.Second

// userAgent is what an endpoint sees.
const userAgent = "Makola-Webhooks/1"

// Sender makes the requests. Safe for concurrent use.
type Sender struct {
	client *http.Client
	places int

	mu     sync.Mutex
	busy   map[uuid.UUID]*use
	visits map[*visit]struct{}
}

// use is what this process does at one endpoint: how many requests are under way, how many had to wait since there was room, and whether the last that ended was slow. One that was
// slow is remembered until it is not.
type use struct {
	running, refused int
	slow             bool
}

// visit is one request under way, or about to be.
type visit struct {
	business, endpoint uuid.UUID
	began              time.Time
}

// NewSender makes a sender that dials what out permits, for a process that works on so many deliveries at once. Its times and limits are not out's: see AnswerTime; and of an answer
// only the beginning is ever read. Redirects are never followed.
func NewSender(out outbound.Config, places int) *Sender {
	out.Timeout, out.MaxRedirects, out.MaxResponseBytes = AnswerTime, 0, anySize
	return &Sender{client: outbound.New(out), places: places, busy: map[uuid.UUID]*use{}, visits: map[*visit]struct{}{}}
}

// Close gives up the connections that are kept.
func (s *Sender) Close() { s.client.CloseIdleConnections() }

// Enter takes a place at an endpoint of a business; leave gives it back. Without one it says how long to wait: the longer, the more wait already, so that a long line does not ask all
// the time.
func (s *Sender) Enter(business, endpoint uuid.UUID) (leave func(), wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.busy[endpoint]
	if u == nil {
		u = &use{}
		s.busy[endpoint] = u
	}
	if u.running >= MostAtOnce || !s.roomFor(business, endpoint) {
		u.refused++
		wait = min(time.Duration(u.refused)*time.Second, 5*time.Minute)
		return nil, wait + rand.N(wait) //nolint:gosec // jitter, not a secret
	}
	v := &visit{business, endpoint, time.Now()}
	s.visits[v] = struct{}{}
	u.running++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		u.slow = v.slow()
		delete(s.visits, v)
		u.refused /= 2
		if u.running--; u.running == 0 && u.refused == 0 && !u.slow {
			delete(s.busy, endpoint)
		}
	}, 0
}

func (v *visit) slow() bool { return time.Since(v.began) > slowAfter }

// roomFor reports whether one more request may go to the endpoint: always when it is not slow, as far as is known.
func (s *Sender) roomFor(business, endpoint uuid.UUID) bool {
	slow, all, own := s.busy[endpoint].slow, 0, 0
	for v := range s.visits {
		if !v.slow() && !s.busy[v.endpoint].slow {
			continue
		}
		all++
		if v.business == business {
			own++
		}
		slow = slow || v.endpoint == endpoint
	}
	return !slow || all < max(1, s.places/2) && own < max(1, s.places/4)
}

// Answer is what came of one request.
type Answer struct {
	// Status is the HTTP status, 0 when there was no answer; Error says then why, in words that are shown to the business.
	Status int
	Error  string
	// Text is the beginning of the answer, redacted.
	Text string
	// RetryAfter is what the other side asked to wait.
	RetryAfter time.Duration
	// Took is how long it took.
	Took time.Duration
}

// ok reports whether the event was taken.
func (a Answer) ok() bool { return a.Status >= 200 && a.Status < 300 }

// Send makes the request of an attempt, signed by its secrets at now. Whatever the other side does is an Answer; the error is ctx's alone: then nobody knows, and the attempt is made
// again.
func (s *Sender) Send(ctx context.Context, a *Attempt, now time.Time) (Answer, error) {
	req, err := a.request(ctx, now)
	if err != nil {
		return Answer{}, err
	}
	began := time.Now()
	resp, err := s.client.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return Answer{}, context.Cause(ctx)
		}
		return Answer{Error: reason(err), Took: time.Since(began)}, nil
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, readAnswer))
	if err != nil && ctx.Err() != nil {
		return Answer{}, context.Cause(ctx)
	}
	// The status is the answer: what became of the text beneath it does not matter.
	return Answer{Status: resp.StatusCode, Text: redact(raw), RetryAfter: outbound.RetryAfter(resp.Header, maxRetryAfter), Took: time.Since(began)}, nil
}

// request is the event as the Standard Webhooks convention has it.
func (a *Attempt) request(ctx context.Context, now time.Time) (*http.Request, error) {
	body := []byte(a.body)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.url, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make request of delivery %s: address cannot be used", a.Delivery) // the error would name the address, which may hold a token
	}
	var signatures []string
	for _, secret := range a.secrets {
		signer, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			return nil, fmt.Errorf("sign delivery %s: %w", a.Delivery, ErrSecret)
		}
		signature, err := signer.Sign(a.event.String(), now, body)
		if err != nil {
			return nil, fmt.Errorf("sign delivery %s: %w", a.Delivery, err)
		}
		signatures = append(signatures, signature)
	}
	// The names are set as they are: the convention's are in small letters, and HTTP/1.1 servers that look for those exist.
	req.Header[standardwebhooks.HeaderWebhookID] = []string{a.event.String()}
	req.Header[standardwebhooks.HeaderWebhookTimestamp] = []string{strconv.FormatInt(now.Unix(), 10)}
	req.Header[standardwebhooks.HeaderWebhookSignature] = []string{strings.Join(signatures, " ")}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", userAgent)
	return req, nil
}

// reason says why there was no answer, without what the business should not learn of our network: which server was asked for a name, and to what address it led.
func reason(err error) string {
	var dns *net.DNSError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.Is(err, outbound.ErrForbiddenAddress):
		return "address is not on the public internet"
	case errors.Is(err, outbound.ErrInsecureScheme):
		return "only https is allowed"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return "no answer within " + AnswerTime.String()
	case errors.As(err, &dns):
		return "host name not found"
	case errors.As(err, &certificate):
		return "certificate is not valid"
	default:
		return "connection failed"
	}
}
