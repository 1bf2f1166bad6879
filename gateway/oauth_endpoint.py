"""``/oauth2/{tenant}/…`` and ``/.well-known/…``: the tenant's token endpoint."""

from http import HTTPStatus

import azure.functions as func

from gateway.application import Application
from gateway.http import render_json


async def answer(application: Application, request: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001
    """Answer one request."""
    return render_json(HTTPStatus.NOT_FOUND, {"error": "not_found"})
