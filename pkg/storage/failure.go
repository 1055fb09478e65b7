package storage

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
)

// failure is what a place for files did not do. Its words may be read by whoever waits for the file: they name no machine, no folder and no key. Unwrap has all.
type failure struct {
	deed string
	err  error
}

// failed says of err what was being done. ErrNotFound and a context's end stay recognisable.
func failed(deed string, err error) error { return &failure{deed: deed, err: err} }

func (f *failure) Error() string { return f.deed + ": " + reason(f.err) }
func (f *failure) Unwrap() error { return f.err }

// reason is an error of a disk or an object store in a few words.
func reason(err error) string {
	if errors.Is(err, context.Canceled) {
		return context.Canceled.Error()
	}
	code := ""
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		code = " " + api.ErrorCode()
	}
	if answer, ok := errors.AsType[*awshttp.ResponseError](err); ok && answer.HTTPStatusCode() > 0 {
		return fmt.Sprintf("the object store answered %d%s", answer.HTTPStatusCode(), code)
	}
	errno, known := errors.AsType[syscall.Errno](err)
	if _, network := errors.AsType[*net.OpError](err); network && known {
		return "the object store does not answer: " + errno.Error()
	}
	if known {
		return errno.Error()
	}
	if late, ok := errors.AsType[net.Error](err); ok && late.Timeout() {
		return "the object store does not answer in time"
	}
	if _, remote := errors.AsType[*smithy.OperationError](err); remote {
		return "the object store does not answer"
	}
	return err.Error()
}
