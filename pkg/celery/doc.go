// Package celery turns Celery's bytes into task messages and back: protocol 2, JSON, results over rpc://.
// It is the only package that knows Celery. It opens no connection and keeps no state; every function is safe for concurrent use.
//
//	delivery ──Decode──▶ Message ──ArgsToProto──▶ arguments ──▶ handler ──▶ Result.Publishing ──▶ the client's reply queue
//	                        └── OnSuccess, OnFailure: the continuations that the finished task owes ──▶ Encode ──▶ queue
//
// Python clients and Python workers need no Makola code. What they must agree on:
//
//   - A task's parameters are the fields of its argument message: by name in snake_case, or by position in field-number order.
//   - A client must not declare a queue of ours (ours are quorum queues, a stock client declares classic ones and gets 406): it uses
//     kombu.Queue(name, no_declare=True) in task_queues.
//   - pickle, compressed bodies and protocol 1 are refused with a RejectError; chords, groups and nested chains inside a continuation with an
//     UnsupportedError. Nothing is dropped silently.
//
// Traps that the code works around: the "chain" list is in reverse order, its last element runs next; a Python worker discards a message whose
// times have more than six decimals; a list or object that is null instead of empty breaks Python code; JSON numbers must never pass through
// float64; PostgreSQL's jsonb refuses NUL characters and lone surrogates, so such bodies are refused here.
package celery
