"""One function a trigger, called by ``function_app.py``: what all endpoints share.

The endpoints themselves are imported when first used. So the app is indexed fast, and ``/health`` can tell
what is wrong where another part does not even load.
"""

import importlib
import logging
from http import HTTPStatus

import azure.functions as func

_log = logging.getLogger(__name__)


async def answer(endpoint: str, request: func.HttpRequest) -> func.HttpResponse:
    """Answer one HTTP request.

    Args:
        endpoint: The module in this package with ``answer(application, request)``.
        request: As the worker hands it over.
    """
    from gateway.application import NotConfigured, get_application  # noqa: PLC0415

    module = importlib.import_module(f"gateway.{endpoint}")
    try:
        application = await get_application()
    except NotConfigured as error:
        _log.error("not_configured settings=%s", error)
        return func.HttpResponse(
            "The gateway is not configured: see /health.",
            status_code=HTTPStatus.SERVICE_UNAVAILABLE,
            headers={"Retry-After": "30"},
            mimetype="text/plain",
        )
    response: func.HttpResponse = await module.answer(application, request)
    return response


async def health() -> func.HttpResponse:
    """Answer ``/health``."""
    from gateway.health import state  # noqa: PLC0415

    return await state.answer()


async def run(timer: str) -> None:
    """Run one of the timers' jobs."""
    from gateway import timers  # noqa: PLC0415
    from gateway.application import get_application  # noqa: PLC0415

    await timers.JOBS[timer](await get_application())
