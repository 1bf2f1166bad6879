"""One function a trigger, called by ``function_app.py``: what all endpoints share.

The endpoints themselves are imported when first used. So the app is indexed fast, and ``/health`` can tell
what is wrong where another part does not even load.
"""

import importlib
import json
import logging
from http import HTTPStatus
from typing import Any

import azure.functions as func

# How long a client waits for a gateway that lacks settings: somebody has to deploy them.
RETRY_AFTER_SECONDS = 30
# The endpoint whose every answer is a SCIM body (RFC 7644 §3.12); the others' errors are problems (RFC 9457).
_SCIM = "scim_endpoint"

_log = logging.getLogger(__name__)


async def answer(endpoint: str, request: func.HttpRequest) -> func.HttpResponse:
    """Answer one HTTP request.

    Args:
        endpoint: The module in this package with ``answer(application, request)``.
        request: As the worker hands it over.
    """
    from gateway.application import NotConfigured  # noqa: PLC0415
    from gateway.process import get_application  # noqa: PLC0415

    try:
        module = importlib.import_module(f"gateway.{endpoint}")
        application = await get_application()
    except NotConfigured as error:
        _log.error("not_configured settings=%s", error)
        return _render_not_ready(endpoint)
    except Exception:
        _log.exception("application_not_started")
        return _render_not_ready(endpoint)
    response: func.HttpResponse = await module.answer(application, request)
    return response


async def health() -> func.HttpResponse:
    """Answer ``/health``."""
    from gateway.health import state  # noqa: PLC0415

    return await state.answer()


async def run(timer: str) -> None:
    """Run one of the timers' jobs. A gateway that cannot start says so once a minute, in the log."""
    from gateway import timers  # noqa: PLC0415
    from gateway.application import NotConfigured  # noqa: PLC0415
    from gateway.process import get_application  # noqa: PLC0415

    try:
        application = await get_application()
    except NotConfigured as error:
        _log.error("not_configured settings=%s", error)
        return
    await timers.JOBS[timer](application)


def _render_not_ready(endpoint: str) -> func.HttpResponse:
    """Return a 503 in the endpoint's own form: identity providers come back after it."""
    detail = "The gateway is not ready: see /health."
    status = HTTPStatus.SERVICE_UNAVAILABLE
    body: dict[str, Any]
    if endpoint == _SCIM:
        media_type = "application/scim+json"
        body = {
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
            "status": str(status.value),
            "detail": detail,
        }
    else:
        media_type = "application/problem+json"
        body = {"title": status.phrase, "status": status.value, "detail": detail}
    return func.HttpResponse(
        json.dumps(body),
        status_code=status,
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
        mimetype=media_type,
        charset="utf-8",
    )
