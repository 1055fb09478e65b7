"""Runs what docs/moving-from-celery.md says: the Python of its fences, or the settings of its table.

usage: moving.py fences|settings BROKER_URL GUIDE

Django is not needed: a module of that name stands in, which has the settings and hardly more. fences prints "done". settings prints a line for each row,
{"settings": …, "call": …, "says": outcome of the guide, "saw": outcome}: "works", the class of an exception, or "sent" when no result came.
"""
import json
import os
import re
import sys
import types

from celery import Celery
from celery.exceptions import TimeoutError
from kombu import Queue, pools

what, broker, guide = sys.argv[1:4]
text = open(guide, encoding="utf-8").read()


def fences():
    os.environ["CELERY_BROKER_URL"] = broker
    blocks = re.findall(r"^```python\n# (.*?)\n(.*?)^```$", text, re.M | re.S)
    names = [name for name, _ in blocks]
    assert names[:3] == ["settings.py", "shop/celery.py", "shop/tasks.py"] and len(names) > 5, names
    django, conf, shop = types.ModuleType("django"), types.ModuleType("django.conf"), types.ModuleType("shop")
    db = types.ModuleType("django.db")
    db.transaction = None  # Celery from 5.4 on imports it, for delay_on_commit
    django.VERSION, django.conf, django.db = (4, 2), conf, db
    sys.modules.update({"django": django, "django.conf": conf, "django.db": db, "shop": shop})
    anywhere = {}
    for name, code in blocks:
        module = types.ModuleType(name.removesuffix(".py").replace("/", "."))
        if not name.endswith(".py"):
            module.__dict__.update(anywhere)  # the page reads on, so do its examples
        exec(compile(code, name, "exec"), module.__dict__)
        if not name.endswith(".py"):
            anywhere.update(module.__dict__)
        if name == "settings.py":
            conf.settings = module
        elif name.endswith(".py"):
            sys.modules[module.__name__] = module
            setattr(shop, module.__name__.split(".")[1], module)
    print("done")


def tried(settings, call):
    pools.reset()  # connections remember what was declared on them
    app = Celery("tried", broker=broker, backend="rpc://", set_as_current=True)
    app.conf.update(**eval(f"dict({settings})", {"Queue": Queue}), broker_transport_options={"max_retries": 1})
    try:
        result = eval(f"app.{call}", {"app": app})
    except Exception as e:
        return type(e).__name__
    try:
        result.get(timeout=60 if answered else 0.1)
        return "works"
    except TimeoutError:
        return "sent"
    except Exception as e:
        return type(e).__name__


if what == "fences":
    fences()
else:
    table = text.split("TestSettingsDoWhatTheGuideSays -->\n")[1].split("<!-- end -->")[0]
    for row in table.splitlines()[2:]:
        settings, call, says = [cell.strip() for cell in row.strip("|").split(" | ")]
        answered = says.split()[0].strip(":,") in ("works", "ValueError")
        saw = tried(settings.strip("`"), call.strip("`"))
        print(json.dumps({"settings": settings, "call": call, "says": says, "saw": saw}), flush=True)
