package storage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"
	"gocloud.dev/blob"
	_ "gocloud.dev/blob/fileblob" // file:///some/folder
	"gocloud.dev/gcerrors"

	"makola/pkg/service"
)

// Config says where files lie.
type Config struct {
	URL string `env:"STORAGE_URL" doc:"Where files lie that people upload, such as file:///var/lib/makola/files: a folder that the gateway and the workers share. Without it nothing can be uploaded."`
}

// Validate checks what can be checked without looking at the disk.
func (c Config) Validate() []error {
	if c.URL == "" {
		return nil
	}
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "file" || u.Host != "" || !strings.HasPrefix(u.Path, "/") || u.RawQuery != "" {
		return []error{service.Invalid("STORAGE_URL", "is no address of a folder", "write file:///var/lib/makola/files")}
	}
	return nil
}

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
}

// Open prepares the place that the configuration names, and makes its folder when there is none. Nothing configured is a nil Files.
func Open(ctx context.Context, cfg Config) (*Files, error) {
	if cfg.URL == "" {
		return nil, nil
	}
	// Temporary names beside the final ones: a rename to another disk would be a copy, which can be seen half done. No files of attributes: rows have those.
	bucket, err := blob.OpenBucket(ctx, cfg.URL+"?create_dir=true&no_tmp_dir=true&metadata=skip")
	if err != nil {
		return nil, fmt.Errorf("open STORAGE_URL: %w", err)
	}
	return &Files{bucket: bucket}, nil
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

// Put keeps what r yields, at most so many bytes. It streams: memory does not grow with the file. Errors: ErrTooLarge; ErrNone; whatever r or the disk says; nothing is
// kept then.
func (f *Files) Put(ctx context.Context, key string, r io.Reader, most int64) (Written, error) {
	if f == nil {
		return Written{}, ErrNone
	}
	ctx, abandon := context.WithCancel(ctx)
	defer abandon()
	w, err := f.bucket.NewWriter(ctx, key, &blob.WriterOptions{ContentType: "application/octet-stream"})
	if err != nil {
		return Written{}, fmt.Errorf("begin file: %w", err)
	}
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(w, sum), io.LimitReader(r, most+1))
	if err == nil && n > most {
		err = ErrTooLarge
	}
	if err != nil {
		abandon() // before Close, which would keep it
		_ = w.Close()
		return Written{}, fmt.Errorf("write file: %w", err)
	}
	if err := w.Close(); err != nil {
		return Written{}, fmt.Errorf("finish file: %w", err)
	}
	if err := f.flush(ctx, key); err != nil {
		return Written{}, err
	}
	return Written{Size: n, SHA256: hex.EncodeToString(sum.Sum(nil))}, nil
}

// flush makes a file on a disk outlive the machine: the row that will name it does.
func (f *Files) flush(ctx context.Context, key string) error {
	file, err := f.Open(ctx, key)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := file.disk.Sync(); err != nil {
		return fmt.Errorf("flush file: %w", err)
	}
	return nil
}

// File is an open file. Its reader at a place is safe for concurrent use.
type File struct {
	io.ReaderAt
	Size int64

	disk   *os.File
	reader *blob.Reader
}

// Open opens a file. Errors: ErrNotFound; ErrNone.
func (f *Files) Open(ctx context.Context, key string) (*File, error) {
	if f == nil {
		return nil, ErrNone
	}
	r, err := f.bucket.NewReader(ctx, key, nil)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("open file: %w", err)
	}
	// A workbook's directory stands at its end. On a disk the file itself can be read there; a remote store would need a copy on this machine first.
	var under io.Reader
	disk, ok := (*os.File)(nil), r.As(&under)
	if ok {
		disk, ok = under.(*os.File)
	}
	if !ok {
		_ = r.Close()
		return nil, errors.New("open file: STORAGE_URL is not on a disk")
	}
	return &File{ReaderAt: disk, Size: r.Size(), disk: disk, reader: r}, nil
}

// Close lets go of the file.
func (f *File) Close() error {
	if err := f.reader.Close(); err != nil {
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
		return fmt.Errorf("delete file: %w", err)
	}
	return nil
}

// DeleteBefore removes the files of a purpose that were written before an instant, whether a row names them or not, and returns how many those were. A file that was
// begun and never finished counts as one.
func (f *Files) DeleteBefore(ctx context.Context, purpose string, before time.Time) (deleted int64, err error) {
	if f == nil {
		return 0, ErrNone
	}
	list := f.bucket.List(&blob.ListOptions{Prefix: purpose + "/"})
	for {
		object, err := list.Next(ctx)
		if errors.Is(err, io.EOF) {
			return deleted, nil
		}
		if err != nil {
			return deleted, fmt.Errorf("list files: %w", err)
		}
		if object.IsDir || !object.ModTime.Before(before) {
			continue
		}
		if err := f.Delete(ctx, object.Key); err != nil {
			return deleted, err
		}
		deleted++
	}
}
