package accounts

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Bounds of a stored hash's cost. Django's defaults are far below (100 MiB; 1.2 million iterations); a row beyond them is a mistake or an attack, and
// would stop the process rather than one sign-in.
const (
	maxMemoryKiB  = 256 << 10
	maxPasses     = 16
	maxLanes      = 16
	maxIterations = 5_000_000
)

// hash is a stored password hash, taken apart.
type hash struct {
	scheme        string // argon2id, argon2i or pbkdf2
	memoryKiB     uint32
	passes, lanes uint32
	iterations    int
	salt, key     []byte
}

// parseHash reads the three forms a stored hash may have:
//
//	$argon2id$v=19$m=19456,t=2,p=1$SALT$KEY           ours, the PHC string format
//	argon2$argon2id$v=19$m=102400,t=2,p=8$SALT$KEY    Django, Argon2PasswordHasher
//	pbkdf2_sha256$600000$SALT$KEY                     Django, PBKDF2PasswordHasher
//
// Anything else, Django's "!" for "no password" among it, is reported as unknown.
func parseHash(stored string) (hash, bool) {
	if rest, ok := strings.CutPrefix(stored, "pbkdf2_sha256$"); ok {
		return parsePBKDF2(rest)
	}
	return parseArgon(strings.TrimPrefix(stored, "argon2"))
}

func parseArgon(phc string) (hash, bool) {
	var h hash
	parts := strings.Split(phc, "$") // "", scheme, version, parameters, salt, key
	if len(parts) != 6 || parts[0] != "" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return h, false
	}
	h.scheme = parts[1]
	if n, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &h.memoryKiB, &h.passes, &h.lanes); err != nil || n != 3 {
		return h, false
	}
	var err error
	if h.salt, err = base64.RawStdEncoding.DecodeString(parts[4]); err != nil {
		return h, false
	}
	if h.key, err = base64.RawStdEncoding.DecodeString(parts[5]); err != nil {
		return h, false
	}
	sane := h.memoryKiB >= 8 && h.memoryKiB <= maxMemoryKiB && h.passes >= 1 && h.passes <= maxPasses && h.lanes >= 1 && h.lanes <= maxLanes &&
		len(h.salt) >= 8 && len(h.key) >= 16 && len(h.key) <= 64
	return h, sane && (h.scheme == "argon2id" || h.scheme == "argon2i")
}

func parsePBKDF2(rest string) (hash, bool) {
	parts := strings.Split(rest, "$")
	if len(parts) != 3 {
		return hash{}, false
	}
	n, err := strconv.Atoi(parts[0])
	if err != nil || n < 1 || n > maxIterations || parts[1] == "" {
		return hash{}, false
	}
	key, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(key) != sha256.Size {
		return hash{}, false
	}
	return hash{scheme: "pbkdf2", iterations: n, salt: []byte(parts[1]), key: key}, true
}

// derive computes the key that password has under the hash's salt and cost.
func (h hash) derive(password string) []byte {
	switch h.scheme {
	case "argon2id":
		return argon2.IDKey([]byte(password), h.salt, h.passes, h.memoryKiB, uint8(h.lanes), uint32(len(h.key)))
	case "argon2i":
		return argon2.Key([]byte(password), h.salt, h.passes, h.memoryKiB, uint8(h.lanes), uint32(len(h.key)))
	default:
		key, err := pbkdf2.Key(sha256.New, password, h.salt, h.iterations, len(h.key))
		if err != nil { // only for key lengths beyond any hash's, which parsePBKDF2 refuses
			return nil
		}
		return key
	}
}

// current reports whether the hash is what a new one would be.
func (h hash) current() bool {
	return h.scheme == "argon2id" && h.memoryKiB == argonMemoryKiB && h.passes == argonPasses && h.lanes == argonLanes && len(h.key) == argonKeyBytes
}
