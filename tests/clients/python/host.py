"""The functional host that `SERVER` names, and waiting with an end."""

import json
import os
import queue
import time
import urllib.parse
import urllib.request

URL = os.environ["SERVER"]
PATIENCE = 10


def get(path, **query):
    with urllib.request.urlopen(f"{URL}{path}?{urllib.parse.urlencode(query)}", timeout=PATIENCE) as response:
        return response.read().decode()


def token(user, **query):
    return get("/generateJwtToken", user=user, **query)


def journal(tag):
    return json.loads(get("/events", tag=tag))


def wait_until(condition, what):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"{what} did not come"
        time.sleep(0.02)


def wait_for_entry(tag, entry):
    wait_until(lambda: entry in journal(tag), f"the entry {entry!r} of {tag}")


class Inbox(queue.Queue):
    """What came, in order."""

    def next(self):
        try:
            return self.get(timeout=PATIENCE)
        except queue.Empty:
            raise AssertionError("nothing came") from None

    def take(self, count):
        return [self.next() for _ in range(count)]
