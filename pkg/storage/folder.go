package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"time"

	"gocloud.dev/blob"
	_ "gocloud.dev/blob/fileblob" // file:///some/folder
	"gocloud.dev/gcerrors"
)

// folder keeps files on a disk.
type folder struct{ bucket *blob.Bucket }

func openFolder(ctx context.Context, path string) (*Files, error) {
	// Temporary names beside the final ones: a rename to another disk would be a copy, which can be seen half done. No files of attributes: rows have those.
	address := url.URL{Scheme: "file", Path: path, RawQuery: "create_dir=true&no_tmp_dir=true&metadata=skip"}
	bucket, err := blob.OpenBucket(ctx, address.String())
	if err != nil {
		return nil, fmt.Errorf("open STORAGE_URL: %w", err)
	}
	return &Files{bucket: bucket, store: folder{bucket: bucket}}, nil
}

func (f folder) put(ctx context.Context, key string, r io.Reader) error {
	ctx, abandon := context.WithCancel(ctx)
	defer abandon()
	w, err := f.bucket.NewWriter(ctx, key, &blob.WriterOptions{ContentType: contentType})
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, r); err != nil {
		abandon() // before Close, which would keep it
		_ = w.Close()
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return f.flush(ctx, key)
}

// flush makes a file on a disk outlive the machine: the row that will name it does.
func (f folder) flush(ctx context.Context, key string) error {
	r, disk, err := f.read(ctx, key)
	if err != nil {
		return err
	}
	defer r.Close()
	return disk.Sync()
}

func (f folder) open(ctx context.Context, key string) (*File, error) {
	r, disk, err := f.read(ctx, key)
	if err != nil {
		return nil, err
	}
	return &File{ReaderAt: disk, Size: r.Size(), close: r.Close}, nil
}

// read opens a file and returns the disk's own beside it, which can be read at any place. Close the reader, and both are.
func (f folder) read(ctx context.Context, key string) (*blob.Reader, *os.File, error) {
	r, err := f.bucket.NewReader(ctx, key, nil)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil, nil, ErrNotFound
	}
	if err != nil {
		return nil, nil, err
	}
	var under io.Reader
	if r.As(&under) {
		if disk, ok := under.(*os.File); ok {
			return r, disk, nil
		}
	}
	_ = r.Close()
	return nil, nil, errors.New("the file is not on a disk")
}

// deleteUnfinished has nothing to do: what was begun is a file beside the others, under a temporary name.
func (f folder) deleteUnfinished(context.Context, string, time.Time) (int64, error) { return 0, nil }
