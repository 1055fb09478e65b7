"""Sends one remote control command by Celery's API, which knows no fixed list of them, and prints the first reply.

usage: broadcast.py BROKER_URL METHOD [JSON_ARGUMENTS]
"""
import json
import sys

from celery import Celery

app = Celery("control", broker=sys.argv[1], set_as_current=True)
arguments = json.loads(sys.argv[3]) if len(sys.argv) > 3 else {}
print(json.dumps(app.control.broadcast(sys.argv[2], arguments=arguments, reply=True, timeout=60, limit=1)))
