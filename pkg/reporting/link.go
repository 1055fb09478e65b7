package reporting

import (
	"encoding/binary"
	"time"

	"github.com/google/uuid"

	"makola/pkg/problem"
	"makola/pkg/signature"
)

// How long a link to a file may work: LinkLife when nobody says otherwise. It never outlives the file.
const (
	LinkLife     = time.Hour
	MinLinkLife  = time.Minute
	MostLinkLife = 7 * 24 * time.Hour
)

var (
	// ErrNoLink reports a link that we did not make, or not for this.
	ErrNoLink = problem.New(problem.NotFound, "link_not_found", "There is no such file. Copy all of the link.")
	// ErrLinkExpired reports a link of ours whose time is over.
	ErrLinkExpired = problem.New(problem.Gone, "link_expired", "This link worked for a while and does no more. Ask whoever gave it to you for a new one.")
)

// LinkPath is where a token is followed by, below the gateway's address.
const LinkPath = "/api/v1/report-files/"

// download is the purpose of the tokens.
const download = "download"

// Link leads whoever has it to one file of one business, for a while.
type Link struct {
	Business, Report uuid.UUID
	// Until is when it ends, to the second.
	Until time.Time
}

// LinkKeys sign links. Safe for concurrent use. The nil LinkKeys signs nothing, and knows no link.
type LinkKeys struct{ keys *signature.Keys }

// ParseLinkKeys reads comma-separated secrets of 32 bytes or more. The first signs, all are accepted: a link works as long as its key is listed. No text gives nil. Errors name a
// key's place, never the key.
func ParseLinkKeys(text string) (*LinkKeys, error) {
	keys, err := signature.ParseKeys(text)
	if err != nil || keys == nil {
		return nil, err
	}
	return &LinkKeys{keys: keys}, nil
}

// linkSize is a version, two ids and an instant.
const linkSize = 1 + 16 + 16 + 8

// Token is a link as it stands in an address.
func (k *LinkKeys) Token(l Link) string {
	payload := append(append(append(make([]byte, 0, linkSize), 1), l.Business[:]...), l.Report[:]...)
	return k.keys.Sign(download, binary.BigEndian.AppendUint64(payload, uint64(l.Until.Unix())))
}

// Read returns the link that a token is. Errors: ErrNoLink; ErrLinkExpired, with the link.
func (k *LinkKeys) Read(token string, now time.Time) (l Link, err error) {
	if k == nil {
		return l, ErrNoLink
	}
	payload, err := k.keys.Open(download, token)
	if err != nil || len(payload) != linkSize || payload[0] != 1 {
		return l, ErrNoLink
	}
	l = Link{Business: uuid.UUID(payload[1:17]), Report: uuid.UUID(payload[17:33]), Until: time.Unix(int64(binary.BigEndian.Uint64(payload[33:])), 0).UTC()}
	if !now.Before(l.Until) {
		return l, ErrLinkExpired
	}
	return l, nil
}

// LinkTo returns a link to a report's file that works for so long from now on, or as long as the file is there.
func LinkTo(business uuid.UUID, r *Report, life time.Duration, now time.Time) Link {
	until := now.Add(life)
	if r.ExpiresAt != nil && r.ExpiresAt.Before(until) {
		until = *r.ExpiresAt
	}
	return Link{Business: business, Report: r.ID, Until: until.UTC().Truncate(time.Second)}
}
