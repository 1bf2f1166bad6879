"""Failures that nobody foresaw: what the log says of them, and what the client is told."""

import logging
import traceback

import orjson
from scim2_models import Error, SCIMException

_log = logging.getLogger(__name__)


def log_failure(error: Exception, tenant_id: str, correlation_id: str) -> None:
    """Log an unexpected failure by its type and place: its text could hold a client's data."""
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{frame.filename.rpartition('/')[2]}:{frame.lineno}:{frame.name}" for frame in frames]
    fields = {
        "tenant_id": tenant_id,
        "correlation_id": correlation_id,
        "error": type(error).__name__,
        "places": places,
    }
    _log.error("request_failed %s", orjson.dumps(fields).decode(), extra={"scim": fields})


def unexpected(correlation_id: str) -> SCIMException:
    """Return what the client is told: nothing but where the operator finds the cause."""
    detail = f"The service failed; the operator finds the cause by {correlation_id}"
    return SCIMException.from_error(Error(status=500, detail=detail))
