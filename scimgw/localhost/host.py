"""The local host: one process that serves the HTTP functions of an app folder and fires its timers.

It is not the Functions host. Routing, bodies, queries and headers are those of the Functions host, and the
worker library is the real one; what Azure puts round them is not here.
"""

import asyncio
import json
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from errno import EADDRINUSE
from pathlib import Path

from aiohttp import web

from scimgw.localhost import messages
from scimgw.localhost.azurite import LOOPBACK
from scimgw.localhost.failures import CannotStart
from scimgw.localhost.front import Front, Server
from scimgw.localhost.routes import InvalidRoute
from scimgw.localhost.timers import InvalidSchedule, Timer, parse_schedule
from scimgw.localhost.worker import Function, FunctionFailed, Worker

NOTICE = (
    "This is the local host, not the Functions host: CORS, Easy Auth, access keys, throttling, function "
    "time-outs and scaling differ. `func start` of Azure Functions Core Tools runs the real one."
)

# How long requests that are being answered may take when the host stops.
DRAIN_SECONDS = 5.0
ROUTE_PREFIX = "api"  # the Functions host's default

_log = logging.getLogger("scimgw.localhost")


def bind(port: int) -> socket.socket:
    """Take a port of the loopback interface; connections are refused until ``serve`` listens.

    Args:
        port: 0 for any free port.

    Raises:
        CannotStart: It is in use.
    """
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((LOOPBACK, port))
    except OSError as error:
        bound.close()
        raise _not_ours(port, error) from error
    return bound


async def serve(
    app_dir: Path,
    bound: socket.socket,
    *,
    on_ready: Callable[[], None],
    stopped: Callable[[], Awaitable[object]],
) -> None:
    """Serve an app until ``stopped`` returns.

    Args:
        app_dir: The folder with ``function_app.py`` and ``host.json``.
        bound: Where to listen, see ``bind``.
        on_ready: Called once requests are taken.
        stopped: Returns when it is time to stop.

    Raises:
        CannotStart: The app does not load, or the port was taken meanwhile.
    """
    worker = Worker(app_dir)
    functions = await worker.start()
    try:
        timers = {
            function.name: _timer(worker, function)
            for function in functions
            if function.trigger_type == "timertrigger"
        }
        front = Front(worker, functions, timers, route_prefix=read_route_prefix(app_dir))
    except (InvalidRoute, InvalidSchedule) as error:
        raise CannotStart(f"The app cannot be served: {error}.") from error
    runner = web.ServerRunner(Server(front.answer), shutdown_timeout=DRAIN_SECONDS)
    await runner.setup()
    tasks: list[asyncio.Task[None]] = []
    try:
        await _listen(runner, bound)
        on_ready()
        tasks = [asyncio.create_task(timer.run()) for timer in timers.values()]
        await stopped()
    finally:
        for task in tasks:
            task.cancel()
        await runner.cleanup()
        worker.stop()
        # A function app is never told that it ends, so it cannot close its clients: no word about it.
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)


def read_route_prefix(app_dir: Path) -> str:
    """Return ``extensions.http.routePrefix`` of ``host.json``."""
    file = app_dir / "host.json"
    if not file.is_file():
        return ROUTE_PREFIX
    http = json.loads(file.read_text(encoding="utf-8-sig")).get("extensions", {}).get("http", {})
    return str(http.get("routePrefix", ROUTE_PREFIX))


async def _listen(runner: web.ServerRunner, bound: socket.socket) -> None:
    try:
        await web.SockSite(runner, bound).start()
    except OSError as error:
        raise _not_ours(bound.getsockname()[1], error) from error


def _not_ours(port: int, error: OSError) -> CannotStart:
    if error.errno == EADDRINUSE:
        return CannotStart(f"Port {port} is in use: stop what listens there, or choose another.")
    return CannotStart(f"Port {port} cannot be used: {error.strerror}.")


def _timer(worker: Worker, function: Function) -> Timer:
    async def fire(timer_request: str) -> None:
        try:
            await worker.invoke(function, messages.TypedData(json=timer_request))
        except FunctionFailed as failure:
            _log.error("Function %s failed: %s", function.name, failure)

    schedule = parse_schedule(function.trigger["schedule"], os.environ)
    return Timer(schedule, fire, run_on_startup=bool(function.trigger.get("runOnStartup")))
