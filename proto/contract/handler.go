package contract

import (
	"context"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"
	"gorm.io/gorm"
)

// message is a generated message pointer: comparable, so that a nil pointer can be told from a message without reflection.
type message interface {
	comparable
	proto.Message
}

// ShortHandler erases the types of a SHORT handler. A nil result becomes a nil proto.Message, which means an empty result.
func ShortHandler[A, R message](d *Descriptor, run func(context.Context, *gorm.DB, A) (R, error)) Handler {
	return Handler{Descriptor: d, Short: func(ctx context.Context, tx *gorm.DB, args proto.Message) (proto.Message, error) {
		typed, err := typedArgs[A](d, args)
		if err != nil {
			return nil, err
		}
		result, err := run(ctx, tx, typed)
		return erased(result), err
	}}
}

// BatchHandler erases the types of a BATCH handler. Results and errors are copied back to the items they belong to, also when the
// handler sorts or shortens the slice it was given; when the handler as a whole fails nothing is copied.
func BatchHandler[A, R message](d *Descriptor, run func(context.Context, *gorm.DB, []*Item[A, R]) error) Handler {
	return Handler{Descriptor: d, Batch: func(ctx context.Context, tx *gorm.DB, items []*AnyItem) error {
		typed := make([]*Item[A, R], len(items))
		for i, item := range items {
			args, err := typedArgs[A](d, item.Args)
			if err != nil {
				return err
			}
			typed[i] = &Item[A, R]{Run: item.Run, Args: args}
		}
		if err := run(ctx, tx, slices.Clone(typed)); err != nil {
			return err
		}
		for i, item := range items {
			item.Result, item.Err = erased(typed[i].Result), typed[i].Err
		}
		return nil
	}}
}

// LongHandler erases the types of a LONG handler. The function that the Handler returns is never nil when its error is nil: a handler
// that has nothing to write may return a nil Commit, and gets an empty result.
func LongHandler[A, R message](d *Descriptor, run func(context.Context, Run, A) (Commit[R], error)) Handler {
	return Handler{Descriptor: d, Long: func(ctx context.Context, r Run, args proto.Message) (func(*gorm.DB) (proto.Message, error), error) {
		typed, err := typedArgs[A](d, args)
		if err != nil {
			return nil, err
		}
		commit, err := run(ctx, r, typed)
		if err != nil {
			return nil, err
		}
		return func(tx *gorm.DB) (proto.Message, error) {
			if commit == nil {
				return nil, nil
			}
			result, err := commit(tx)
			return erased(result), err
		}, nil
	}}
}

// typedArgs refuses arguments that were not made by the descriptor's NewArgs.
func typedArgs[A message](d *Descriptor, args proto.Message) (A, error) {
	typed, ok := args.(A)
	if !ok {
		return typed, fmt.Errorf("task %s: arguments are %T, want %T", d.Name, args, typed)
	}
	return typed, nil
}

// erased keeps a nil pointer from becoming an interface that is not nil.
func erased[R message](result R) proto.Message {
	var none R
	if result == none {
		return nil
	}
	return result
}
