"""``/health``: whether this instance can serve, and what it lacks. Tells names, never values."""

import asyncio
import logging
import time
from http import HTTPStatus

import azure.functions as func

from gateway.application import TABLES, Application, NotConfigured
from gateway.http import render_json
from gateway.process import get_application
from gateway.tables import ScimTable
from tenants.secrets import PEPPER, SIGNING_KEY, SecretNotFound, SecretStoreUnavailable
from tenants.tables import TableUnavailable

# How long an answer is kept: anybody may ask, and each check reads tables and Key Vault.
KEPT_SECONDS = 10.0
# How long one check may take before it counts as failing.
CHECK_SECONDS_MAX = 5.0

_log = logging.getLogger(__name__)


class Health:
    """The last state, and when it was seen."""

    def __init__(self) -> None:
        self._problems: list[str] = []
        self._warnings: list[str] = []
        self._checked_at = float("-inf")
        self._lock = asyncio.Lock()

    async def answer(self) -> func.HttpResponse:
        """Return 200, with warnings if there are any, or 503 with what is wrong and what to do."""
        async with self._lock:
            if time.monotonic() - self._checked_at >= KEPT_SECONDS:
                self._problems = await find_problems()
                self._warnings = [] if self._problems else await find_warnings()
                self._checked_at = time.monotonic()
                for problem in self._problems:
                    _log.error("health_problem problem=%s", problem)
                for warning in self._warnings:
                    _log.warning("health_warning warning=%s", warning)
        if self._problems:
            return render_json(
                HTTPStatus.SERVICE_UNAVAILABLE, {"status": "failing", "problems": self._problems}
            )
        warnings = {"warnings": self._warnings} if self._warnings else {}
        return render_json(HTTPStatus.OK, {"status": "ok", **warnings})


state = Health()


async def find_problems() -> list[str]:
    """Return what this instance lacks, one sentence each."""
    try:
        application = await get_application()
    except NotConfigured as error:
        return [f"Settings are missing: {error}."]
    except Exception:
        _log.exception("application_not_started")
        return ["The gateway cannot start: see its log."]
    checks = [
        *(_check_table(application, name) for name in TABLES),
        _check_secret(application, PEPPER),
        _check_secret(application, SIGNING_KEY),
    ]
    return [problem for problem in await asyncio.gather(*checks) if problem]


async def find_warnings() -> list[str]:
    """Return what does not work while requests are served: nobody shall be woken for it."""
    from events.webhook_secrets import WEBHOOK_KEY  # noqa: PLC0415 - loads the cryptography

    problem = await _check_secret(await get_application(), WEBHOOK_KEY)
    return [f"{problem} Until then no webhook is signed or sent."] if problem else []


async def _check_table(application: Application, name: str) -> str:
    try:
        async with asyncio.timeout(CHECK_SECONDS_MAX):
            await ScimTable(application.account.table(name)).get("health", "health")
    except (TableUnavailable, TimeoutError) as error:
        _log.warning("health_check_failed table=%s reason=%s", name, error)
        return (
            f"The table {name} cannot be read: grant Storage Table Data Contributor, and check the endpoint."
        )
    return ""


async def _check_secret(application: Application, name: str) -> str:
    try:
        async with asyncio.timeout(CHECK_SECONDS_MAX):
            await application.secrets.get(name)
    except SecretNotFound:
        return f"The secret {name} has no version that may be used now: add one."
    except (SecretStoreUnavailable, TimeoutError) as error:
        _log.warning("health_check_failed secret=%s reason=%s", name, type(error).__name__)
        return f"The secret {name} cannot be read: grant Key Vault Secrets User, and check the vault's URI."
    return ""
