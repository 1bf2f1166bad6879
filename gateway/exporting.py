"""``GET /manage/tenants/{id}/export``: a tenant as JSON lines, a page a request."""

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import azure.functions as func
import orjson

from gateway.application import Application
from scim.storage.export import START, InvalidPosition, read_page
from tenants.management import Problem, no_tenant
from tenants.registry import TenantNotFound
from tenants.tenant import Tenant, TenantSettings, find_guid
from tenants.views import render_time

# The version of the lines. A reader refuses one that it does not know.
FORMAT = 1
MEDIA_TYPE = "application/jsonl"


async def export_page(application: Application, tenant_id: str, after: str, url: str) -> func.HttpResponse:
    """Return a page, with the URL of the next one in its ``Link`` header (RFC 8288)."""
    tenant = await _get_tenant(application, tenant_id)
    deadline = time.monotonic() + application.settings.request_seconds_max
    try:
        page = await read_page(application.scim_table, tenant.id, after or START, deadline)
    except InvalidPosition:
        raise Problem(
            HTTPStatus.BAD_REQUEST, "after: take it from the Link header of the page before."
        ) from None
    lines = [] if after else [await _render_header(application, tenant)]
    lines += page.records
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    if page.position:
        headers["Link"] = f'<{url}?after={page.position.replace("!", "%21")}>; rel="next"'
    else:
        lines.append({"kind": "end"})
    return func.HttpResponse(
        render_lines(lines), status_code=HTTPStatus.OK, headers=headers, mimetype=MEDIA_TYPE, charset="utf-8"
    )


def render_lines(lines: Iterable[dict[str, Any]]) -> bytes:
    """Return one JSON object a line."""
    return b"".join(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in lines)


async def _render_header(application: Application, tenant: Tenant) -> dict[str, Any]:
    settings = tenant.model_dump(mode="json", include=set(TenantSettings.model_fields), exclude_defaults=True)
    return {
        "kind": "header",
        "format": FORMAT,
        "tenant_id": tenant.id,
        "exported": render_time(datetime.now(UTC)),
        "settings": settings,
        **await application.count_resources(tenant.id),
    }


async def _get_tenant(application: Application, text: str) -> Tenant:
    tenant_id = find_guid(text)
    if tenant_id is None:
        raise no_tenant()
    try:
        tenant = (await application.registry.get(tenant_id)).tenant
    except TenantNotFound:
        raise no_tenant() from None
    if tenant.purging:
        raise Problem(HTTPStatus.CONFLICT, "The tenant is being purged: there is nothing whole to export.")
    return tenant
