package accounts

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"runtime"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
)

// Bounds of a new password, in characters. The upper one keeps a password from being a way to make us hash a megabyte.
const (
	MinPassword = 8
	MaxPassword = 128
)

// The cost of a new hash: the second choice of OWASP's Password Storage Cheat Sheet for argon2id, 19 MiB, two passes, one lane.
const (
	argonMemoryKiB = 19456
	argonPasses    = 2
	argonLanes     = 1
	argonSaltBytes = 16
	argonKeyBytes  = 32
)

// hashWait is how long somebody waits for their turn before ErrBusy; a browser waits about as long.
const hashWait = 5 * time.Second

// Hasher makes and checks password hashes, a few at a time: each costs 19 MiB and a processor for about 30 ms, so a flood of sign-ins would
// otherwise take the memory of the whole process. Safe for concurrent use.
type Hasher struct {
	slots chan struct{} // one token per hash under way; never closed
	decoy string        // a hash of nothing anybody knows, for addresses nobody has
}

// NewHasher makes a hasher that works on as many passwords at once as there are processors, and on two at least.
func NewHasher() *Hasher {
	h := &Hasher{slots: make(chan struct{}, max(2, runtime.GOMAXPROCS(0)))}
	h.decoy = argon(rand.Text())
	return h
}

// Hash returns the hash to store for a new password. Errors: ErrPasswordLength, ErrBusy, the context's.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	if n := utf8.RuneCountInString(password); n < MinPassword || n > MaxPassword || !utf8.ValidString(password) {
		return "", ErrPasswordLength
	}
	if err := h.enter(ctx); err != nil {
		return "", err
	}
	defer h.leave()
	return argon(password), nil
}

// Verify reports whether password belongs to the stored hash, and whether that hash should be replaced by a new one. An empty stored hash stands
// for a person who does not exist: it takes as long as a wrong password and never matches. Errors: ErrBusy, the context's.
func (h *Hasher) Verify(ctx context.Context, stored, password string) (ok, outdated bool, err error) {
	if err := h.enter(ctx); err != nil {
		return false, false, err
	}
	defer h.leave()
	parsed, known := parseHash(stored)
	if !known {
		parsed, _ = parseHash(h.decoy)
	}
	match := subtle.ConstantTimeCompare(parsed.derive(password), parsed.key) == 1
	return match && known, match && known && !parsed.current(), nil
}

func (h *Hasher) enter(ctx context.Context) error {
	timer := time.NewTimer(hashWait)
	defer timer.Stop()
	select {
	case h.slots <- struct{}{}:
		return nil
	case <-timer.C:
		return ErrBusy
	case <-ctx.Done():
		return fmt.Errorf("wait to hash a password: %w", ctx.Err())
	}
}

func (h *Hasher) leave() { <-h.slots }

// argon hashes a password at the present cost, in the PHC string format.
func argon(password string) string {
	salt := make([]byte, argonSaltBytes)
	_, _ = rand.Read(salt) // never fails, see crypto/rand
	key := argon2.IDKey([]byte(password), salt, argonPasses, argonMemoryKiB, argonLanes, argonKeyBytes)
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemoryKiB, argonPasses, argonLanes, b64.EncodeToString(salt), b64.EncodeToString(key))
}
