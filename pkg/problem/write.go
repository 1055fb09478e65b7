package problem

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// ContentType is the media type of every error answer.
const ContentType = "application/problem+json"

// Write answers r with p. It fills Instance from r and RequestID from the X-Request-Id header already set on w, unless p has them; p itself
// is not changed. Nothing may have been written before. HEAD gets the header alone.
func Write(w http.ResponseWriter, r *http.Request, p *Problem) {
	answer := *p
	if answer.Instance == "" {
		answer.Instance = r.URL.EscapedPath()
	}
	if answer.RequestID == "" {
		answer.RequestID = w.Header().Get("X-Request-Id")
	}
	body, err := json.Marshal(&answer)
	if err != nil { // strings and integers only: cannot happen
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", ContentType)
	h.Set("Content-Length", strconv.Itoa(len(body)+1))
	h.Set("Cache-Control", "no-store")
	for _, name := range []string{"ETag", "Last-Modified", "Content-Encoding", "Content-Disposition"} {
		h.Del(name) // they described the answer that did not come
	}
	if answer.RetryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64((answer.RetryAfter+time.Second-1)/time.Second), 10))
	}
	if answer.Status == http.StatusUnauthorized && h.Get("WWW-Authenticate") == "" {
		h.Set("WWW-Authenticate", "Bearer") // RFC 9110, section 15.5.2: a 401 must carry a challenge
	}
	w.WriteHeader(answer.Status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(append(body, '\n'))
	}
}

// WriteError is Write(w, r, From(err)). The caller logs err when the status it returns is 500 or above.
func WriteError(w http.ResponseWriter, r *http.Request, err error) (status int) {
	p := From(err)
	Write(w, r, p)
	return p.Status
}
