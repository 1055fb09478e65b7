"""A stock Celery worker with a few tasks, for messages that Go publishes.

usage: worker.py BROKER_URL QUEUE [mingle]

With "mingle" it asks the other workers what they know before it begins, as a worker does that nobody told otherwise.
"""
import sys

from celery import Celery
from kombu import Queue

broker, queue = sys.argv[1:3]
alone = [] if sys.argv[3:] == ["mingle"] else ["--without-mingle", "--without-gossip"]
app = Celery("shop", broker=broker, backend="rpc://", set_as_current=True)
app.conf.update(task_queues=[Queue(queue)], task_default_queue=queue, broker_connection_retry_on_startup=True, worker_hijack_root_logger=False)


@app.task(name="shop.add")
def add(a, b):
    return a + b


@app.task(name="shop.echo")
def echo(*args, **kwargs):
    return {"args": args, "kwargs": kwargs, "types": {k: type(v).__name__ for k, v in kwargs.items()}}


@app.task(name="shop.about", bind=True)
def about(self):
    r = self.request
    return {"id": r.id, "root_id": r.root_id, "parent_id": r.parent_id, "retries": r.retries, "timelimit": r.timelimit, "eta": r.eta, "tenant": r.get("tenant")}


@app.task(name="shop.fail")
def fail():
    raise ValueError("bad", 3)


@app.task(name="shop.retry", bind=True, max_retries=2, default_retry_delay=0)
def retry(self):
    if self.request.retries == 0:
        raise self.retry(exc=ValueError("again"))
    return self.request.retries


if __name__ == "__main__":
    app.worker_main(["worker", "--pool=solo", "--loglevel=WARNING", "--hostname=shop@test", *alone, "-Q", queue])
