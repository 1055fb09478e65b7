"""A stock Celery client. It reads calls from standard input, sends them all, waits for every result, and prints one JSON line per call, in order.

usage: client.py BROKER_URL QUEUE [send] < calls.json

With "send" it waits for no result and prints nothing.

A call is {"task": …, "args": [], "kwargs": {}, "options": {}} or {"chain": [call, …]}, where "immutable" keeps a step from its predecessor's result.
{"$decimal": "1.20"}, {"$datetime": "2026-01-02T03:04:05"} and {"$uuid": "…"} stand for Python values. A line is {"value": …} or {"error": class, "module": …,
"args": []}, with "states": every status that arrived for the call's task, in order.
"""
import collections
import datetime
import decimal
import json
import sys
import uuid

from celery import Celery, chain
from kombu import Queue

PATIENCE = 60  # seconds for each result


def python_value(o):
    if "$decimal" in o:
        return decimal.Decimal(o["$decimal"])
    if "$datetime" in o:
        return datetime.datetime.fromisoformat(o["$datetime"])
    if "$uuid" in o:
        return uuid.UUID(o["$uuid"])
    return o


def make_app(broker, queue):
    app = Celery("client", broker=broker, backend="rpc://", set_as_current=True)
    # no_declare: the queue is ours, with arguments that a stock client does not know, and declaring it would be refused with 406.
    app.conf.update(task_queues=[Queue(queue, no_declare=True)], task_default_queue=queue, broker_connection_retry_on_startup=True)
    return app


def send(app, queue, call):
    if "chain" in call:
        steps = [app.signature(c["task"], args=c.get("args"), kwargs=c.get("kwargs"), options=c.get("options"), immutable=c.get("immutable", False)) for c in call["chain"]]
        return chain(*steps).apply_async(queue=queue)
    return app.send_task(call["task"], args=call.get("args"), kwargs=call.get("kwargs"), queue=queue, **call.get("options", {}))


def wait(result, states):
    try:
        value = result.get(timeout=PATIENCE, on_message=lambda m: states[m["task_id"]].append(m["status"]))
        return {"id": result.id, "value": value}
    except Exception as e:  # whatever the worker raised is the outcome
        return {"id": result.id, "error": type(e).__name__, "module": type(e).__module__, "args": [str(a) for a in e.args]}


def main():
    broker, queue = sys.argv[1:3]
    app = make_app(broker, queue)
    calls = json.load(sys.stdin, object_hook=python_value)
    results = [send(app, queue, c) for c in calls]
    if sys.argv[3:] == ["send"]:
        return
    for r in results:
        r.then(lambda _: None)  # without it, get() waits a second even for a result that came while another was waited for
    states = collections.defaultdict(list)
    for outcome in [wait(r, states) for r in results]:
        print(json.dumps(outcome | {"states": states[outcome["id"]]}), flush=True)


if __name__ == "__main__":
    main()
