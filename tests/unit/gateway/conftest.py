"""The composed application on the real emulator, called as the worker calls it, without a socket."""

import json
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

import azure.functions as func
import pytest
from pydantic import SecretStr

from gateway import manage
from gateway.application import Application, close
from settings import Settings
from tests.described import check_described

OPERATOR_TOKEN = "the-operators-token"


def make_request(method, path, *, body=b"", headers=None, url="https://gateway.example"):
    if isinstance(body, dict | list):
        body = json.dumps(body).encode()
    return func.HttpRequest(
        method=method,
        url=f"{url}{path}",
        headers={k.lower(): v for k, v in (headers or {}).items()},
        params=dict(parse_qsl(urlsplit(path).query)),
        body=body,
    )


@dataclass
class Answer:
    status: int
    media_type: str
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


def read(response):
    return Answer(response.status_code, response.mimetype, dict(response.headers), response.get_body())


@pytest.fixture
async def application(azurite, tmp_path):
    made = Application(
        Settings(
            table_connection_string=SecretStr(azurite.connection_string),
            local_secrets_dir=tmp_path / "secrets",
            local_tenants_dir=tmp_path / "entries",
            operator_token=SecretStr(OPERATOR_TOKEN),
        )
    )
    (tmp_path / "entries").mkdir()
    await made.prepare()
    yield made
    await close(made)


@pytest.fixture
def operate(application):
    """Call the management API as the operator; what comes back must be as its document describes it."""

    async def call(method, path, body=b"", **headers):
        headers = {"authorization": f"Bearer {OPERATOR_TOKEN}"} | headers
        request = make_request(method, path, body=body, headers=headers)
        answer = read(await manage.answer(application, request))
        if answer.media_type.endswith("json"):
            check_described(method, path, answer.status, answer.json)
        return answer

    return call


@pytest.fixture
async def tenant(operate):
    return (await operate("POST", "/manage/tenants", {"name": "Contoso"})).json
