package task

// State is where a task stands. The strings are what task.task.state holds.
type State string

// The states of a task. Pending with Attempt > 1 is what people call retrying.
const (
	Pending   State = "pending"   // waits for the relay, or for available_at
	Published State = "published" // in the broker, or in a worker's hands as SHORT or BATCH
	Running   State = "running"   // LONG, under a lease
	Succeeded State = "succeeded"
	Failed    State = "failed" // a dead letter: replayable
	Cancelled State = "cancelled"
)

// Terminal reports whether nothing more will happen to a task by itself.
func (s State) Terminal() bool { return s == Succeeded || s == Failed || s == Cancelled }

// Kinds of failure, in task.task.error_kind and in metrics; a closed set.
const (
	KindPermanent        = "permanent"         // the handler said never again
	KindExhausted        = "attempts_used_up"  // the last attempt failed as well
	KindRetry            = "retryable"         // will be tried again
	KindThrottled        = "throttled"         // our own limit; spends no attempt
	KindTimeout          = "timeout"           // ran into its time limit
	KindPanic            = "panic"             // the handler panicked
	KindCrashLoop        = "crash_loop"        // three processes died of it
	KindUnknownTask      = "unknown_task"      // no handler of that name
	KindInvalidArguments = "invalid_arguments" // the arguments do not fit the contract
	KindExpired          = "expired"           // not started before expires_at
	KindCancelled        = "cancelled"         // somebody cancelled it
	KindChain            = "broken_chain"      // a continuation that cannot be kept
)
