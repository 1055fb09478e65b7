package outbound

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// RetryAfter reads the header of an answer in either of its forms, seconds or a date (RFC 9110, section 10.2.3); zero when it is absent, past or unreadable. No more than most of it is
// believed. A date counts by the clock that the answer itself names, or by ours.
func RetryAfter(header http.Header, most time.Duration) time.Duration {
	text := header.Get("Retry-After")
	if seconds, err := strconv.Atoi(text); err == nil {
		return time.Duration(min(max(seconds, 0), int(most/time.Second))) * time.Second
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	now := time.Now()
	if sent, err := http.ParseTime(header.Get("Date")); err == nil {
		now = sent
	}
	return min(max(at.Sub(now), 0), most)
}

// WithoutURL drops the request's address from an error, which net/http puts there with path and query.
func WithoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}
