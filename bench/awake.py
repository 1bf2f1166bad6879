"""Processors that do not fall asleep while single requests are measured.

A server that answers one request at a time sleeps most of the time. On a virtual machine its processor is
then given to others, and comes back with cold caches and at a lower clock rate: the same instructions take up
to twice the CPU time, and seldom the same twice. A process of the lowest class on each processor keeps it
busy, and makes way at once for whatever else wants to run.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_KEEP_AWAKE = """
import os, sys
os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
os.sched_setaffinity(0, {int(sys.argv[1])})
parent = os.getppid()
while os.getppid() == parent:
    for _ in range(1_000_000):
        pass
"""


@contextmanager
def awake() -> Iterator[None]:
    """Keep the processors awake; does nothing where the system has no such class."""
    processors = os.sched_getaffinity(0) if hasattr(os, "SCHED_IDLE") else ()
    keepers = [
        subprocess.Popen([sys.executable, "-c", _KEEP_AWAKE, str(processor)]) for processor in processors
    ]
    try:
        yield
    finally:
        for keeper in keepers:
            keeper.kill()
            keeper.wait()
