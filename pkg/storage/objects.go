package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"gocloud.dev/blob"
	"gocloud.dev/blob/s3blob"
	"gocloud.dev/gcerrors"
)

const (
	contentType = "application/octet-stream"
	// partBytes is the piece of a file that one request carries: the least that S3 takes. It takes 10,000, so that a file may have 48 GiB.
	partBytes = 5 << 20
	// partsAtOnce are on their way together; the next one fills meanwhile. So a file takes partBytes × (partsAtOnce + 2) of memory, however large it is.
	partsAtOnce = 2
	// abandonTime bounds the taking back of a file that was begun, which must go on when whoever wanted the file has given up.
	abandonTime = 5 * time.Second
	// answerTime is how long an object store may take to begin its answer, dialTime how long to be reached.
	answerTime, dialTime = 30 * time.Second, 5 * time.Second
	// attempts of one request, and the longest pause between two. What still fails then is the task's to try again.
	attempts, longestPause = 3, time.Second
	// skip is how far a reader jumps by reading on instead of asking anew: about as many bytes as come in the time of one request.
	skip = 256 << 10
)

// objects keeps files in an object store that speaks S3. A file is visible there when its last byte has arrived, and not before.
type objects struct {
	name    string
	bucket  *blob.Bucket
	client  *s3.Client
	uploads *transfermanager.Client
}

func openObjects(ctx context.Context, p place, cfg Config) (*Files, error) {
	options := s3.Options{
		Region:      p.region,
		Credentials: credentials.NewStaticCredentialsProvider(cfg.KeyID, cfg.SecretKey.Reveal(), ""),
		HTTPClient: awshttp.NewBuildableClient().WithDialerOptions(func(d *net.Dialer) { d.Timeout = dialTime }).
			WithTransportOptions(func(t *http.Transport) { t.ResponseHeaderTimeout = answerTime }),
		Retryer: retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts, o.MaxBackoff = attempts, longestPause }),
		// Many stores that speak S3 do not know its newer checksums.
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired, ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
	}
	if p.endpoint != "" {
		options.BaseEndpoint, options.UsePathStyle = aws.String(p.endpoint), true
	}
	o := objects{name: p.bucket, client: s3.New(options)}
	var err error
	if o.bucket, err = s3blob.OpenBucket(ctx, o.client, p.bucket, nil); err != nil {
		return nil, fmt.Errorf("open STORAGE_URL: %w", err)
	}
	o.uploads = transfermanager.New(o.client, func(t *transfermanager.Options) {
		t.PartSizeBytes, t.MultipartUploadThreshold, t.Concurrency, t.FailTimeout = partBytes, partBytes, partsAtOnce, abandonTime
		t.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
	})
	return &Files{bucket: o.bucket, store: o}, nil
}

func (o objects) put(ctx context.Context, key string, r io.Reader) error {
	_, err := o.uploads.UploadObject(ctx, &transfermanager.UploadObjectInput{Bucket: &o.name, Key: &key, Body: r, ContentType: aws.String(contentType)})
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		return nil
	}
	if ctx.Err() != nil { // the store may have the file: its answer was not waited for
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), abandonTime)
		defer cancel()
		_ = o.bucket.Delete(late, key)
	}
	return err
}

func (o objects) open(ctx context.Context, key string) (*File, error) {
	about, err := o.bucket.Attributes(ctx, key)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	r := &remote{ctx: ctx, bucket: o.bucket, key: key, size: about.Size}
	return &File{ReaderAt: r, Size: about.Size, close: r.Close}, nil
}

// deleteUnfinished gives up the parts of files whose writers died. They are in no listing, and their bytes are paid for.
func (o objects) deleteUnfinished(ctx context.Context, prefix string, before time.Time) (deleted int64, err error) {
	pages := s3.NewListMultipartUploadsPaginator(o.client, &s3.ListMultipartUploadsInput{Bucket: &o.name, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if noUpload(err) { // so some stores say that there are none
			return deleted, nil
		}
		if err != nil {
			return deleted, err
		}
		for _, u := range page.Uploads {
			if u.Initiated == nil || !u.Initiated.Before(before) {
				continue
			}
			if _, err := o.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &o.name, Key: u.Key, UploadId: u.UploadId}); err != nil && !noUpload(err) {
				return deleted, err
			}
			deleted++
		}
	}
	return deleted, nil
}

// noUpload reports an answer that there is no such unfinished upload.
func noUpload(err error) bool {
	api, ok := errors.AsType[smithy.APIError](err)
	return ok && api.ErrorCode() == "NoSuchUpload"
}

// remote reads a file at any place. It keeps one answer of the store open, and reads on in it as long as the places follow each other.
type remote struct {
	ctx    context.Context // of Open: a reader is given none
	bucket *blob.Bucket
	key    string
	size   int64

	mu   sync.Mutex
	body *blob.Reader // nil before the first read and after an error
	at   int64        // the place that body is at
}

// ReadAt implements io.ReaderAt.
func (r *remote) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("read file: negative place")
	}
	if off >= r.size {
		return 0, io.EOF
	}
	want := min(int64(len(p)), r.size-off)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.seek(off); err != nil {
		return 0, failed("read file", err)
	}
	n, err := io.ReadFull(r.body, p[:want])
	r.at += int64(n)
	if err != nil {
		r.drop()
		return n, failed("read file", err)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// seek brings body to a place.
func (r *remote) seek(off int64) error {
	if r.body != nil && off >= r.at && off-r.at <= skip {
		n, err := io.CopyN(io.Discard, r.body, off-r.at)
		r.at += n
		if err == nil {
			return nil
		}
	}
	r.drop()
	body, err := r.bucket.NewRangeReader(r.ctx, r.key, off, -1, nil)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return ErrNotFound
	}
	if err != nil {
		return err
	}
	r.body, r.at = body, off
	return nil
}

func (r *remote) drop() {
	if r.body != nil {
		_ = r.body.Close() // what it has read is whole, whatever it says
		r.body = nil
	}
}

// Close lets go of the store's answer.
func (r *remote) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drop()
	return nil
}
