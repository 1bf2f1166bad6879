"""``/manage/…``: the API's routing and status codes; the use cases are in ``tenants/management.py``."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import azure.functions as func

from events.receivers import ReceiverChanged
from gateway import doctor, exporting, provisioning_log, purging, receivers, storage_check
from gateway.application import Application
from gateway.http import (
    InvalidBody,
    find_base_url,
    find_correlation_id,
    find_source,
    parse_json_object,
    render_json,
    render_problem,
    split_path,
)
from scim.documents import Throttled as StorageBusy
from scim.storage.errors import StorageError
from tenants.authentication import Throttled, Unauthenticated
from tenants.management import Management, Problem
from tenants.secrets import SecretStoreUnavailable
from tenants.tables import TableUnavailable
from tenants.tenant import State
from tenants.views import Links

_log = logging.getLogger(__name__)

# Seconds after which a client may try again when a table or Key Vault does not answer.
RETRY_AFTER_SECONDS = 5


class Call:
    """One authenticated request of an operator."""

    def __init__(
        self,
        request: func.HttpRequest,
        management: Management,
        operator: str,
        links: Links,
        *,
        application: Application | None = None,
    ) -> None:
        self.application = application
        self.base_url = links.base_url
        self.request = request
        self.management = management
        self.operator = operator
        self.links = links

    @property
    def body(self) -> dict[str, Any]:
        """The request's JSON object."""
        return parse_json_object(self.request)


# What a use case answers: status and JSON, None for no body; or all of the answer.
type Answer = tuple[HTTPStatus, dict[str, Any] | func.HttpResponse | None]
type UseCase = Callable[..., Awaitable[Answer]]


async def _list_tenants(call: Call) -> Answer:
    return HTTPStatus.OK, await call.management.list_tenants(call.links)


async def _create_tenant(call: Call) -> Answer:
    return HTTPStatus.CREATED, await call.management.create_tenant(call.body, call.links)


async def _show_tenant(call: Call, tenant_id: str) -> Answer:
    return HTTPStatus.OK, await call.management.show_tenant(tenant_id, call.links)


async def _change_tenant(call: Call, tenant_id: str) -> Answer:
    return _changed(call, await call.management.change_tenant(tenant_id, call.body, call.links))


def _changed(call: Call, tenant: dict[str, Any]) -> Answer:
    """Answer a tenant whose settings are new, and have done what they ask for."""
    assert call.application is not None
    call.application.events.changed(tenant["tenant_id"])
    return HTTPStatus.OK, tenant


async def _suspend_tenant(call: Call, tenant_id: str) -> Answer:
    return HTTPStatus.OK, await call.management.set_state(tenant_id, State.SUSPENDED, call.links)


async def _activate_tenant(call: Call, tenant_id: str) -> Answer:
    return _changed(call, await call.management.set_state(tenant_id, State.ACTIVE, call.links))


async def _adopt_tenant(call: Call, tenant_id: str) -> Answer:
    return HTTPStatus.OK, await call.management.adopt_tenant(tenant_id, call.body, call.links)


async def _list_entries(call: Call) -> Answer:
    return HTTPStatus.OK, await call.management.list_entries()


async def _examine(call: Call) -> Answer:
    assert call.application is not None
    return HTTPStatus.OK, await doctor.examine(call.application)


async def _check_storage(call: Call, tenant_id: str) -> Answer:
    assert call.application is not None
    return HTTPStatus.OK, await storage_check.check_storage(call.application, tenant_id, call.body)


async def _list_credentials(call: Call, tenant_id: str) -> Answer:
    return HTTPStatus.OK, await call.management.list_credentials(tenant_id)


async def _issue_credential(call: Call, tenant_id: str) -> Answer:
    issued = await call.management.issue_credential(tenant_id, call.body, call.operator, call.links)
    return HTTPStatus.CREATED, issued


async def _rotate_credential(call: Call, tenant_id: str, credential_id: str) -> Answer:
    issued = await call.management.rotate_credential(
        tenant_id, credential_id, call.body, call.operator, call.links
    )
    return HTTPStatus.CREATED, issued


async def _revoke_credential(call: Call, tenant_id: str, credential_id: str) -> Answer:
    await call.management.revoke_credential(tenant_id, credential_id)
    return HTTPStatus.NO_CONTENT, None


async def _show_document(call: Call) -> Answer:
    from gateway.openapi import render_document  # noqa: PLC0415 - people ask for it, requests do not

    return HTTPStatus.OK, render_document(call.base_url)


async def _show_log(call: Call, tenant_id: str) -> Answer:
    assert call.application is not None
    params = dict(call.request.params)
    return HTTPStatus.OK, await provisioning_log.show_log(call.application, tenant_id, params)


async def _export_tenant(call: Call, tenant_id: str) -> Answer:
    assert call.application is not None
    after = call.request.params.get("after") or ""
    url = f"{call.base_url}/manage/tenants/{quote(tenant_id, safe='')}/export"
    return HTTPStatus.OK, await exporting.export_page(call.application, tenant_id, after, url)


async def _purge_tenant(call: Call, tenant_id: str) -> Answer:
    assert call.application is not None
    return HTTPStatus.ACCEPTED, await purging.purge_tenant(call.application, tenant_id, call.operator)


async def _show_purge(call: Call, tenant_id: str) -> Answer:
    assert call.application is not None
    return HTTPStatus.OK, await purging.show_purge(call.application, tenant_id)


# Paths below /manage, with `*` for an id, and what each method does there.
_ID_POSITIONS = frozenset({1, 3})
ROUTES: dict[tuple[str, ...], Mapping[str, UseCase]] = {
    ("tenants",): {"GET": _list_tenants, "POST": _create_tenant},
    ("tenants", "*"): {"GET": _show_tenant, "PATCH": _change_tenant},
    ("tenants", "*", "suspend"): {"POST": _suspend_tenant},
    ("tenants", "*", "activate"): {"POST": _activate_tenant},
    ("tenants", "*", "adopt"): {"POST": _adopt_tenant},
    ("tenants", "*", "credentials"): {"GET": _list_credentials, "POST": _issue_credential},
    ("tenants", "*", "credentials", "*"): {"DELETE": _revoke_credential},
    ("tenants", "*", "credentials", "*", "rotate"): {"POST": _rotate_credential},
    ("tenants", "*", "storage-check"): {"POST": _check_storage},
    ("tenants", "*", "log"): {"GET": _show_log},
    ("tenants", "*", "export"): {"GET": _export_tenant},
    ("tenants", "*", "purge"): {"GET": _show_purge, "POST": _purge_tenant},
    ("entries",): {"GET": _list_entries},
    ("openapi.json",): {"GET": _show_document},
    ("doctor",): {"GET": _examine},
    **receivers.ROUTES,
}


async def answer(application: Application, request: func.HttpRequest) -> func.HttpResponse:
    """Answer one request. Who is not an operator learns nothing, not even which paths exist."""
    try:
        return await _answer(application, request)
    except Unauthenticated as error:
        return render_problem(
            HTTPStatus.UNAUTHORIZED,
            "An operator's access token is needed.",
            headers={"WWW-Authenticate": error.challenge},
        )
    except Throttled as error:
        return render_problem(
            HTTPStatus.TOO_MANY_REQUESTS,
            "Too many failed attempts.",
            headers={"Retry-After": str(error.retry_after_seconds)},
        )
    except Problem as problem:
        return render_problem(problem.status, problem.detail, errors=problem.errors)
    except ReceiverChanged as error:
        conflict = receivers.changed_meanwhile(error)
        return render_problem(conflict.status, conflict.detail)
    except InvalidBody as error:
        return render_problem(error.status, error.detail)
    except (TableUnavailable, SecretStoreUnavailable, StorageError, StorageBusy):
        _log.exception("manage_unavailable")
        return render_problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "A table or the key vault does not answer: see /health.",
            headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
        )
    except Exception:
        correlation_id = find_correlation_id(request)
        _log.exception("manage_failed correlation_id=%s", correlation_id)
        return render_problem(HTTPStatus.INTERNAL_SERVER_ERROR, f"The log knows more under {correlation_id}.")


async def _answer(application: Application, request: func.HttpRequest) -> func.HttpResponse:
    principal = await application.authenticator.authenticate_operator(
        request.headers.get("authorization"), find_source(request)
    )
    _, path = split_path(request)
    segments = tuple(path.strip("/").split("/"))
    methods, ids = find_route(segments)
    if not methods:
        raise Problem(HTTPStatus.NOT_FOUND, "There is nothing at this path.")
    use_case = methods.get(request.method.upper())
    if use_case is None:
        return render_problem(
            HTTPStatus.METHOD_NOT_ALLOWED,
            "This path does not take this method.",
            headers={"Allow": ", ".join(methods)},
        )
    links = Links(find_base_url(request, application.settings.public_url))
    call = Call(request, application.management, principal.subject, links, application=application)
    status, value = await use_case(call, *ids)
    _log.info("managed method=%s route=%s operator=%s", request.method, _pattern(segments), principal.subject)
    if isinstance(value, func.HttpResponse):
        return value
    return render_json(status, value) if value is not None else func.HttpResponse(status_code=status)


def find_route(segments: tuple[str, ...]) -> tuple[Mapping[str, UseCase], tuple[str, ...]]:
    """Return the methods of a path and the ids in it; no methods where there is no such path."""
    pattern = _pattern(segments)
    methods = ROUTES.get(pattern, {})
    return methods, tuple(
        segment for segment, part in zip(segments, pattern, strict=True) if methods and part == "*"
    )


def _pattern(segments: tuple[str, ...]) -> tuple[str, ...]:
    """Replace the ids by ``*``: the second and the fourth segment. Names are compared without case."""
    return tuple("*" if index in _ID_POSITIONS else name.lower() for index, name in enumerate(segments))
