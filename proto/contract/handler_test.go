package contract_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"
	"gorm.io/gorm"

	"makola/proto/contract"
)

// text and number stand for a task's arguments and result.
type (
	text   = *wrapperspb.StringValue
	number = *wrapperspb.Int64Value
)

var (
	descriptor = &contract.Descriptor{Name: "selftest.length"}
	errNo      = errors.New("no")
)

func TestShortHandler(t *testing.T) {
	t.Parallel()
	h := contract.ShortHandler(descriptor, func(_ context.Context, _ *gorm.DB, args text) (number, error) {
		switch args.GetValue() {
		case "nothing":
			return nil, nil
		case "error":
			return nil, errNo
		default:
			return wrapperspb.Int64(int64(len(args.GetValue()))), nil
		}
	})
	tests := map[string]struct {
		args, want proto.Message
		err        error
	}{
		"a result":                    {wrapperspb.String("abc"), wrapperspb.Int64(3), nil},
		"a nil result is no message":  {wrapperspb.String("nothing"), nil, nil},
		"an error comes with nothing": {wrapperspb.String("error"), nil, errNo},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := h.Short(t.Context(), nil, tt.args)
			checkMessage(t, got, tt.want)
			if !errors.Is(err, tt.err) {
				t.Errorf("error = %v, want %v", err, tt.err)
			}
		})
	}
	if h.Descriptor != descriptor || h.Batch != nil || h.Long != nil {
		t.Errorf("handler = %+v, want the descriptor and Short alone", h)
	}
}

func TestHandlersRefuseForeignArguments(t *testing.T) {
	t.Parallel()
	short := contract.ShortHandler(descriptor, func(context.Context, *gorm.DB, text) (number, error) { return nil, nil })
	batch := contract.BatchHandler(descriptor, func(context.Context, *gorm.DB, []*contract.Item[text, number]) error { return nil })
	long := contract.LongHandler(descriptor, func(context.Context, contract.Run, text) (contract.Commit[number], error) { return nil, nil })
	for _, args := range []proto.Message{wrapperspb.Bool(true), nil} {
		_, shortErr := short.Short(t.Context(), nil, args)
		batchErr := batch.Batch(t.Context(), nil, []*contract.AnyItem{{Args: args}})
		_, longErr := long.Long(t.Context(), contract.Run{}, args)
		for _, err := range []error{shortErr, batchErr, longErr} {
			if err == nil || !strings.Contains(err.Error(), "task selftest.length: arguments are") {
				t.Errorf("arguments %T: error = %v", args, err)
			}
		}
	}
}

func TestBatchHandlerKeepsItemsApartWhenTheHandlerSorts(t *testing.T) {
	t.Parallel()
	h := contract.BatchHandler(descriptor, func(_ context.Context, _ *gorm.DB, items []*contract.Item[text, number]) error {
		slices.SortFunc(items, func(a, b *contract.Item[text, number]) int {
			return strings.Compare(a.Args.GetValue(), b.Args.GetValue())
		})
		for _, item := range items {
			switch item.Args.GetValue() {
			case "bad":
				item.Err = errNo
			case "nothing":
			default:
				item.Result = wrapperspb.Int64(int64(item.Run.Attempt))
			}
		}
		clear(items)
		return nil
	})
	items := []*contract.AnyItem{
		{Args: wrapperspb.String("z"), Run: contract.Run{Attempt: 7}},
		{Args: wrapperspb.String("nothing")},
		{Args: wrapperspb.String("bad")},
		{Args: wrapperspb.String("a"), Run: contract.Run{Attempt: 9}},
	}
	if err := h.Batch(t.Context(), nil, items); err != nil {
		t.Fatal(err)
	}
	for i, want := range []proto.Message{wrapperspb.Int64(7), nil, nil, wrapperspb.Int64(9)} {
		checkMessage(t, items[i].Result, want)
		if isBad := i == 2; errors.Is(items[i].Err, errNo) != isBad {
			t.Errorf("item %d: error = %v", i, items[i].Err)
		}
	}
}

func TestBatchHandlerThatFailsAsAWholeLeavesItemsAlone(t *testing.T) {
	t.Parallel()
	h := contract.BatchHandler(descriptor, func(_ context.Context, _ *gorm.DB, items []*contract.Item[text, number]) error {
		items[0].Result = wrapperspb.Int64(1)
		return errNo
	})
	items := []*contract.AnyItem{{Args: wrapperspb.String("a")}}
	if err := h.Batch(t.Context(), nil, items); !errors.Is(err, errNo) {
		t.Errorf("error = %v, want %v", err, errNo)
	}
	checkMessage(t, items[0].Result, nil)
}

func TestLongHandler(t *testing.T) {
	t.Parallel()
	h := contract.LongHandler(descriptor, func(_ context.Context, run contract.Run, args text) (contract.Commit[number], error) {
		switch args.GetValue() {
		case "no commit":
			return nil, nil
		case "error":
			return func(*gorm.DB) (number, error) { return nil, nil }, errNo
		case "nil result":
			return func(*gorm.DB) (number, error) { return nil, nil }, nil
		case "commit error":
			return func(*gorm.DB) (number, error) { return nil, errNo }, nil
		default:
			return func(*gorm.DB) (number, error) { return wrapperspb.Int64(int64(run.Attempt)), nil }, nil
		}
	})
	tests := map[string]struct {
		want           proto.Message
		err, commitErr error
	}{
		"no commit":    {nil, nil, nil},
		"nil result":   {nil, nil, nil},
		"a result":     {wrapperspb.Int64(3), nil, nil},
		"error":        {nil, errNo, nil},
		"commit error": {nil, nil, errNo},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			commit, err := h.Long(t.Context(), contract.Run{Attempt: 3}, wrapperspb.String(name))
			if !errors.Is(err, tt.err) || (commit == nil) != (tt.err != nil) {
				t.Fatalf("commit is nil: %t, error = %v, want %v", commit == nil, err, tt.err)
			}
			if err != nil {
				return
			}
			got, err := commit(nil)
			if !errors.Is(err, tt.commitErr) {
				t.Errorf("commit error = %v, want %v", err, tt.commitErr)
			}
			checkMessage(t, got, tt.want)
		})
	}
}

// checkMessage tells a nil interface from a nil pointer inside one, which proto.Equal would not.
func checkMessage(t *testing.T, got, want proto.Message) {
	t.Helper()
	if (got == nil) != (want == nil) || !proto.Equal(got, want) {
		t.Errorf("message = %v (nil: %t), want %v", got, got == nil, want)
	}
}
