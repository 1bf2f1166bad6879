"""A SCIM client that calls the protocol without HTTP."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

import azure.functions as func
import orjson

from scim.documents import Directory
from scim.http import respond
from scim.profile import Caller, TenantProfile
from tests.unit.scim.memory_directory import MemoryDirectory

BASE_URL = "https://gateway.example/scim/0b5e6dd6-37bb-4a63-9c1d-9a6e6f6f4a0e"
TENANT_ID = "0b5e6dd6-37bb-4a63-9c1d-9a6e6f6f4a0e"
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
LIST_RESPONSE = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
BULK_REQUEST = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
NOBODY = "0" * 32
SECRET = b"s" * 32


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    headers: dict[str, str]


def check_error(answer: Answer, status: int, scim_type: str | None = None) -> None:
    """RFC 7644 §3.12: the status is a text, and there is a detail."""
    assert (answer.status, answer.body["status"]) == (status, str(status)), answer.body
    assert answer.body["schemas"] == [ERROR]
    assert answer.body["detail"]
    assert answer.body.get("scimType") == scim_type, answer.body


@dataclass
class Client:
    """Sends requests of one credential to one tenant."""

    directory: Directory = field(default_factory=MemoryDirectory)
    profile: TenantProfile = field(default_factory=lambda: TenantProfile(TENANT_ID))
    may_write: bool = True
    secret: bytes | None = SECRET

    async def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: dict[str, Any] | str = "",
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Send a request; a body that is not bytes is sent as JSON."""
        if body is not None and not isinstance(body, bytes):
            body = orjson.dumps(body)
        text = query if isinstance(query, str) else urlencode(query)
        request = func.HttpRequest(
            method,
            f"{BASE_URL}{path}" + (f"?{text}" if text else ""),
            headers={"Content-Type": "application/scim+json", **(headers or {})},
            params=dict(parse_qsl(text)),
            body=body or b"",
        )
        answer = await respond(
            request,
            base_url=BASE_URL,
            path=path,
            profile=self.profile,
            caller=Caller("credential", self.may_write, "correlation"),
            directory=self.directory,
            cursor_secret=self.secret,
        )
        content = answer.get_body()
        assert answer.mimetype == "application/scim+json"
        return Answer(
            answer.status_code, orjson.loads(content) if content else None, dict(answer.headers.items())
        )

    async def get(self, path: str, **kwargs: Any) -> Answer:
        return await self.send("GET", path, **kwargs)

    async def post(self, path: str, body: Any, **kwargs: Any) -> Answer:
        return await self.send("POST", path, body, **kwargs)

    async def put(self, path: str, body: Any, **kwargs: Any) -> Answer:
        return await self.send("PUT", path, body, **kwargs)

    async def delete(self, path: str, **kwargs: Any) -> Answer:
        return await self.send("DELETE", path, **kwargs)

    async def patch(self, path: str, *operations: dict[str, Any], **kwargs: Any) -> Answer:
        """Send a PATCH with these operations."""
        return await self.send(
            "PATCH", path, {"schemas": [PATCH_OP], "Operations": list(operations)}, **kwargs
        )

    async def create_user(self, user_name: str, **attributes: Any) -> str:
        """Create a user and return its id."""
        answer = await self.post("/Users", {"schemas": [USER], "userName": user_name, **attributes})
        assert answer.status == 201, answer.body
        return str(answer.body["id"])

    async def create_group(self, display_name: str, *members: str, **attributes: Any) -> str:
        """Create a group with members and return its id."""
        listed = [{"value": member} for member in members]
        body = {"schemas": [GROUP], "displayName": display_name, "members": listed, **attributes}
        answer = await self.post("/Groups", body)
        assert answer.status == 201, answer.body
        return str(answer.body["id"])

    async def members(self, group_id: str) -> list[str]:
        """Return the ids of a group's members."""
        answer = await self.get(f"/Groups/{group_id}")
        return [member["value"] for member in answer.body.get("members", [])]

    async def search(self, path: str, **query: Any) -> Any:
        """Search and return the ListResponse."""
        answer = await self.get(path, query=query)
        assert answer.status == 200, answer.body
        return answer.body
