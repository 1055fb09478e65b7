package main

import (
	"errors"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"

	taskv1 "makola/proto/makola/task/v1"
)

// maxTransaction is the longest time limit of a SHORT or BATCH task: its transaction holds row locks and keeps vacuum from cleaning up
// for as long as it lasts. Whatever needs longer is LONG.
const maxTransaction = 600 * time.Second

// check applies the rules that concern one task alone.
func (t *task) check(o *taskv1.TaskOptions) error {
	d := t.method.Desc
	var faults []error
	refuse := func(broken bool, format string, args ...any) {
		if broken {
			faults = append(faults, fault(d, format, args...))
		}
	}
	want := t.queue + "." + snake(d.Name())
	refuse(t.name != want, "method %s has the task name %q, want %q", d.Name(), t.name, want)
	refuse(t.comment == "", "method %s lacks a comment that says what the task does", d.Name())
	refuse(d.IsStreamingClient() || d.IsStreamingServer(), "method %s streams, which a task cannot", d.Name())
	refuse(d.Input().FullName() != t.sibling("Args"), "method %s takes %s, want %s", d.Name(), d.Input().FullName(), t.sibling("Args"))
	refuse(d.Output().FullName() != t.sibling("Result"), "method %s returns %s, want %s", d.Name(), d.Output().FullName(), t.sibling("Result"))

	batch, long := t.mode == taskv1.Mode_MODE_BATCH, t.mode == taskv1.Mode_MODE_LONG
	refuse(taskv1.Mode_name[int32(t.mode)] == "", "task %s has the unknown mode %d", want, t.mode)
	refuse(t.timeout <= 0, "task %s has the time limit %v, want more than zero", want, t.timeout)
	refuse(!long && t.timeout > maxTransaction, "task %s has the time limit %v, but %s ends at %v", want, t.timeout, modeWord(t.mode), maxTransaction)
	refuse(o.GetCommitTimeout() != nil && !long, "task %s has a commit timeout, but its mode is %s", want, modeWord(t.mode))
	refuse(o.GetCommitTimeout() != nil && (t.commit <= 0 || t.commit > maxTransaction), "task %s has the commit timeout %v, want more than zero and at most %v", want, t.commit, maxTransaction)
	refuse(t.attempts < 1, "task %s has %d attempts, want at least 1", want, t.attempts)
	refuse(t.backoffBase <= 0, "task %s has the backoff base %v, want more than zero", want, t.backoffBase)
	refuse(t.backoffCap < t.backoffBase, "task %s has the backoff cap %v below its base %v", want, t.backoffCap, t.backoffBase)
	refuse(!batch && o.GetBatch() != 0, "task %s has a batch size, but its mode is %s", want, modeWord(t.mode))
	refuse(batch && t.batch < 1, "task %s has the batch size %d, want at least 1", want, t.batch)
	for _, alias := range t.aliases {
		refuse(alias == "", "task %s has an empty alias", want)
	}
	return errors.Join(append(faults, t.checkOrder())...)
}

// sibling is the full name that the method's arguments or result must have.
func (t *task) sibling(suffix protoreflect.Name) protoreflect.FullName {
	return t.method.Desc.ParentFile().Package().Append(t.method.Desc.Name() + suffix)
}

// checkOrder holds argument fields to the order of their numbers. Foreign publishers send arguments by position, and numbers are what
// the check against incompatible changes protects.
func (t *task) checkOrder() error {
	fields := t.method.Desc.Input().Fields()
	for i := 1; i < fields.Len(); i++ {
		if fields.Get(i).Number() < fields.Get(i-1).Number() {
			return fault(fields.Get(i), "field %s stands after a higher number; arguments are positional, so append and never reorder", fields.Get(i).Name())
		}
	}
	return nil
}

// names remembers which names and aliases are taken in this run, and by whom.
type names map[string]string

func (n names) take(t *task) error {
	var faults []error
	for _, name := range append([]string{t.name}, t.aliases...) {
		if name == "" {
			continue
		}
		if first, ok := n[name]; ok {
			faults = append(faults, fault(t.method.Desc, "the name %q is taken already, at %s", name, first))
			continue
		}
		n[name] = place(t.method.Desc)
	}
	return errors.Join(faults...)
}
