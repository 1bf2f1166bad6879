"""This process's one application, made at the first request: Azure may provide settings late."""

import asyncio
import logging

from gateway.application import Application
from settings import settings

_log = logging.getLogger(__name__)

_started: asyncio.Future[Application] | None = None


async def get_application() -> Application:
    """Return this process's services; the first caller prepares them, and a failure is tried again.

    Raises:
        NotConfigured: Settings are missing.
    """
    global _started  # noqa: PLW0603 - one per process is the point
    if _started is None or (_started.done() and (_started.cancelled() or _started.exception())):
        _started = asyncio.ensure_future(_start())
    return await asyncio.shield(_started)


async def _start() -> Application:
    settings.cache_clear()
    application = Application(settings())
    await application.prepare()
    _log.info("application_started local=%s", application.is_local)
    return application
