"""How fast the machine is while something is measured on it."""

import json
import statistics
import time
from typing import Any

_ROUNDS = 40
_REPEATS = 300
_PAUSE_SECONDS = 0.05
_DOCUMENT: Any = {"values": [{"number": number, "text": str(number)} for number in range(200)]}


def pace() -> dict[str, float]:
    """Return the CPU milliseconds that the same work takes, time and again: ``best`` and ``median``.

    Where they are far apart, processors fall asleep or are somebody else's for a while, and figures of single
    operations are as far apart.
    """
    found = []
    for _ in range(_ROUNDS):
        started = time.process_time()
        for _ in range(_REPEATS):
            json.loads(json.dumps(_DOCUMENT))
        found.append((time.process_time() - started) * 1000)
        time.sleep(_PAUSE_SECONDS)
    return {"best_ms": round(min(found), 1), "median_ms": round(statistics.median(found), 1)}
