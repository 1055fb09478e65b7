// Package monitor lets Celery's own tools see and control a worker of ours: `celery inspect`, `celery control`, `celery status`, `celery events`, Flower. It runs beside a
// task.Worker, on a connection of its own, and nothing of the work ever waits for it.
//
//	celery inspect ──▶ celery.pidbox ──▶ the worker's own queue ──▶ Monitor ──▶ reply.celery.pidbox ──▶ the client
//	task.Worker ──Watch──▶ ring ──▶ Monitor ──▶ celeryev ──▶ celery events, Flower
//
// # Control
//
// Whoever may publish to celery.pidbox is believed: the protocol knows no names. So the broker's permissions decide who may ask, CELERY_CONTROL what may be asked, and each
// command is logged with where its answer goes. Answers go to reply.celery.pidbox alone, whatever the command says, or anybody could make a worker publish to any exchange.
// Answers come from memory, so that a busy worker answers as fast as an idle one. Only what is in the database is asked of it (scheduled, revoke), over a connection that tasks
// cannot hold, and those who ask that do not keep others waiting.
//
// # Events
//
// Task events are made while somebody listens, which each heartbeat finds out by the empty list of events that Python's workers also send: the broker returns it when no queue
// is bound. A monitor that begins to listen asks for a heartbeat, as all of Celery's do, and is heard at once. So a fleet that nobody watches pays nothing.
// Events wait in a ring; when it is full the oldest are dropped and counted. Each outcome of a task has one final event, sent after its commit, so a process that is killed in
// between loses it: the row is the truth.
//
// # The clock
//
// Events and answers carry a logical clock, by which monitors order what they see. Its value is taken and the message sent under one lock: two goroutines that publish at once
// would otherwise overtake each other.
package monitor
