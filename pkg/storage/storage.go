package storage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/google/uuid"
	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
)

var (
	// ErrNone reports that no STORAGE_URL was configured.
	ErrNone = errors.New("STORAGE_URL is not set")
	// ErrNotFound reports a key under which there is no file.
	ErrNotFound = errors.New("no such file")
	// ErrTooLarge reports a file with more bytes than it may have. Nothing of it is kept.
	ErrTooLarge = errors.New("file is too large")
)

// Files is where files lie. It is safe for concurrent use. The nil Files has none and keeps none: its methods return ErrNone.
type Files struct {
	bucket *blob.Bucket
	store  store
}

// store is what a folder and an object store do each in their own way.
type store interface {
	// put keeps what r yields, whole or not at all, and returns when it outlives this machine's power.
	put(ctx context.Context, key string, r io.Reader) error
	// open returns ErrNotFound, or an error of the place.
	open(ctx context.Context, key string) (*File, error)
	// deleteUnfinished removes what was begun before an instant, never finished, and is in no listing.
	deleteUnfinished(ctx context.Context, prefix string, before time.Time) (int64, error)
}

// Open prepares the place that the configuration names. It makes a folder when there is none; an object store is not asked for anything yet. Nothing configured is a nil Files.
func Open(ctx context.Context, cfg Config) (*Files, error) {
	if cfg.URL == "" {
		return nil, nil
	}
	p, err := cfg.parse()
	if err != nil {
		return nil, fmt.Errorf("open STORAGE_URL: %w", err)
	}
	if p.bucket != "" {
		return openObjects(ctx, p, cfg)
	}
	return openFolder(ctx, p.folder)
}

// Close lets go of it.
func (f *Files) Close() error {
	if f == nil {
		return nil
	}
	if err := f.bucket.Close(); err != nil {
		return fmt.Errorf("close file storage: %w", err)
	}
	return nil
}

// Key is where a tenant's file lies: purpose/tenant/yyyy/mm/id.
func Key(purpose string, tenant, id uuid.UUID, at time.Time) string {
	return fmt.Sprintf("%s/%s/%s/%s", purpose, tenant, at.UTC().Format("2006/01"), id)
}

// Written is what Put has kept.
type Written struct {
	Size   int64
	SHA256 string // In hexadecimal digits.
}

// Put keeps what r yields, at most so many bytes. It streams: memory does not grow with the file. Errors: ErrTooLarge; ErrNone; whatever r or the place says; nothing is
// kept then, but an object store that does not answer any more may have the file: DeleteBefore finds it.
func (f *Files) Put(ctx context.Context, key string, r io.Reader, most int64) (Written, error) {
	if f == nil {
		return Written{}, ErrNone
	}
	body := &measured{r: r, most: most, sum: sha256.New()}
	err := f.store.put(ctx, key, body)
	switch {
	case body.err != nil: // what the place says of it is no news
		return Written{}, fmt.Errorf("write file: %w", body.err)
	case err != nil:
		return Written{}, failed("write file", err)
	}
	return Written{Size: body.n, SHA256: hex.EncodeToString(body.sum.Sum(nil))}, nil
}

// measured counts and sums what is read, and refuses what is too much.
type measured struct {
	r       io.Reader
	n, most int64
	sum     hash.Hash
	err     error // of r, or ErrTooLarge
}

func (m *measured) Read(b []byte) (int, error) {
	if m.err != nil {
		return 0, m.err
	}
	if room := m.most - m.n + 1; int64(len(b)) > room { // one byte more tells
		b = b[:room]
	}
	n, err := m.r.Read(b)
	m.n += int64(n)
	m.sum.Write(b[:n])
	if m.n > m.most {
		err = ErrTooLarge
	}
	if err != nil && !errors.Is(err, io.EOF) {
		m.err = err
	}
	return n, err
}

// File is an open file. Its reader at a place is safe for concurrent use.
type File struct {
	io.ReaderAt
	Size int64

	close func() error
}

// Open opens a file. Read in order it comes in one piece, from the disk or over the network; each jump costs an object store a request. ctx bounds the reading too. Errors:
// ErrNotFound; ErrNone.
func (f *Files) Open(ctx context.Context, key string) (*File, error) {
	if f == nil {
		return nil, ErrNone
	}
	file, err := f.store.open(ctx, key)
	if errors.Is(err, ErrNotFound) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, failed("open file", err)
	}
	return file, nil
}

// Close lets go of the file.
func (f *File) Close() error {
	if err := f.close(); err != nil {
		return fmt.Errorf("close file: %w", err)
	}
	return nil
}

// Delete removes a file. That there is none is no error.
func (f *Files) Delete(ctx context.Context, key string) error {
	if f == nil {
		return ErrNone
	}
	if err := f.bucket.Delete(ctx, key); err != nil && gcerrors.Code(err) != gcerrors.NotFound {
		return failed("delete file", err)
	}
	return nil
}

// DeleteBefore removes the files of a purpose that were written before an instant, whether a row names them or not, and returns how many those were. A file that was
// begun and never finished counts as one.
func (f *Files) DeleteBefore(ctx context.Context, purpose string, before time.Time) (deleted int64, err error) {
	if f == nil {
		return 0, ErrNone
	}
	prefix := purpose + "/"
	list := f.bucket.List(&blob.ListOptions{Prefix: prefix})
	for {
		object, err := list.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return deleted, failed("list files", err)
		}
		if object.IsDir || !object.ModTime.Before(before) {
			continue
		}
		if err := f.Delete(ctx, object.Key); err != nil {
			return deleted, err
		}
		deleted++
	}
	n, err := f.store.deleteUnfinished(ctx, prefix, before)
	if err != nil {
		return deleted, failed("delete unfinished files", err)
	}
	return deleted + n, nil
}
