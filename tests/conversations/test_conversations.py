"""Every conversation, held with the gateway over HTTP, in a tenant of its own."""

import json
from collections.abc import Iterator
from http import HTTPStatus
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.conversations.conversation import FOLDER, TOPICS, Conversation, load_conversations, render_coverage
from tests.conversations.matching import MISSING, differences, fill, pick
from tests.hosts import Host

CONVERSATIONS = load_conversations()
SCIM_JSON = "application/scim+json"


class Speaker:
    """Speaks HTTP with nothing in between: paths and bodies go out as they are written."""

    def __init__(self, host: Host) -> None:
        """Connect on the first request."""
        self.connection = HTTPConnection(urlsplit(host.url).netloc, timeout=60)
        self.operator = {"Authorization": f"Bearer {host.operator_token}"}

    def send(
        self, method: str, url: str, body: bytes | None, headers: dict[str, str]
    ) -> tuple[int, dict[str, str], bytes]:
        """Send one request and read its answer; header names in lower case."""
        self.connection.request(method, url, body, headers)
        response = self.connection.getresponse()
        named = {name.lower(): value for name, value in response.getheaders()}
        return response.status, named, response.read()

    def manage(self, path: str, body: Any) -> Any:
        """Create something through the management API."""
        status, _, content = self.send("POST", f"/manage/{path}", json.dumps(body).encode(), self.operator)
        assert status == 201, content
        return json.loads(content)


@pytest.fixture
def speaker(host: Host) -> Iterator[Speaker]:
    speaker = Speaker(host)
    yield speaker
    speaker.connection.close()


@pytest.mark.parametrize("conversation", CONVERSATIONS, ids=lambda conversation: conversation.name)
def test_conversation(speaker: Speaker, conversation: Conversation):
    tenant = speaker.manage(
        "tenants",
        {"name": conversation.name, "identity_provider": conversation.path.parent.name} | conversation.tenant,
    )
    issued = speaker.manage(f"tenants/{tenant['tenant_id']}/credentials", {})
    variables = {"base": tenant["scim_url"], "token": issued["token"]}
    if "{{other-token}}" in conversation.path.read_text():
        other = speaker.manage("tenants", {"name": f"not {conversation.name}"})
        variables["other-token"] = speaker.manage(f"tenants/{other['tenant_id']}/credentials", {})["token"]

    for number, step in enumerate(conversation.steps, 1):
        failures = list(_hold(speaker, fill(step, variables), variables))
        assert not failures, "\n".join([f"{conversation.name}, step {number}: {step['request']}", *failures])


def _hold(speaker: Speaker, step: dict[str, Any], variables: dict[str, Any]) -> Iterator[str]:
    """Send a step's request and say what is wrong with the answer."""
    request, expected = step["request"], step["expect"]
    headers = {"Authorization": f"Bearer {variables['token']}", **request.get("headers", {})}
    body = _body(request, headers)
    url = urlsplit(variables["base"]).path + request["path"]
    status, named, content = speaker.send(
        request["method"], url, body, {name: value for name, value in headers.items() if value is not None}
    )
    if status not in (expected["status"] if isinstance(expected["status"], list) else [expected["status"]]):
        yield f"status: {status}, expected {expected['status']}: {content[:2000]!r}"
        return
    for name, matcher in expected.get("headers", {}).items():
        yield from differences(matcher, named.get(name.lower(), MISSING), name)
    if not content or status == HTTPStatus.NO_CONTENT:
        if content or "body" in expected:
            yield f"body: {content!r}"
        return
    if named.get("content-type") != SCIM_JSON:
        yield f"Content-Type: {named.get('content-type')}"
    answer = json.loads(content)
    if "body" in expected:
        yield from differences(expected["body"], answer)
    for name, pointer in step.get("capture", {}).items():
        variables[name] = pick(answer, pointer)


def _body(request: dict[str, Any], headers: dict[str, Any]) -> bytes | None:
    if "raw" in request:
        return "".join(request["raw"]).encode()
    if "body" not in request:
        return None
    headers.setdefault("Content-Type", SCIM_JSON)
    return json.dumps(request["body"], ensure_ascii=False).encode()


@pytest.mark.parametrize("conversation", CONVERSATIONS, ids=lambda conversation: conversation.name)
def test_a_conversation_says_what_it_is(conversation: Conversation):
    assert conversation.topic in TOPICS
    assert conversation.title
    assert conversation.source
    assert conversation.steps
    assert all(step.keys() <= {"note", "request", "expect", "capture"} for step in conversation.steps)


def test_there_are_enough():
    assert len(CONVERSATIONS) >= 80
    assert {conversation.topic for conversation in CONVERSATIONS} == set(TOPICS)


def test_the_coverage_table_is_current():
    """``python -m tests.conversations.conversation`` renders it."""
    assert (FOLDER / "README.md").read_text().endswith("<!-- coverage -->\n\n" + render_coverage())
