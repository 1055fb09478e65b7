"""Sees tasks and workers as Flower does: through Celery's event receiver and its cluster state. It says that it listens, and ends when every task named has ended.

usage: state.py BROKER_URL WORKER COUNT TASK_ID …

The first line is "listening", once the worker has been seen alive. Each later line is one event of a task, {"type": …, "uuid": …, "clock": …}. When COUNT tasks have ended, or all
that are named when there are more, the last line is {"tasks": {id: {…}}, "alive": [workers]}.
"""
import json
import sys

from celery import Celery

broker, worker, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
app = Celery("flower", broker=broker, set_as_current=True)
state = app.events.State()
listening = False


def done():
    ended = [t for t in state.tasks.values() if t.ready]
    return len(ended) >= count


def on_event(event):
    global listening
    state.event(event)
    if not listening and any(w.hostname == worker and w.alive for w in state.workers.values()):
        listening = True
        print("listening", flush=True)
    if event["type"].startswith("task-"):
        print(json.dumps({"type": event["type"], "uuid": event["uuid"], "clock": event["clock"], "hostname": event["hostname"]}), flush=True)
    if done():
        recv.should_stop = True


with app.connection() as connection:
    recv = app.events.Receiver(connection, handlers={"*": on_event})
    recv.capture(limit=None, timeout=None, wakeup=True)

print(json.dumps({
    "tasks": {t.uuid: {"name": t.name, "state": t.state, "result": t.result, "exception": t.exception, "worker": t.worker.hostname if t.worker else None,
                       "runtime": t.runtime, "kwargs": t.kwargs} for t in state.tasks.values()},
    "alive": [w.hostname for w in state.workers.values() if w.alive],
}), flush=True)
