"""Into a file: the export of a gateway's tenant, or the resources of any SCIM server, read page by page."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import urlsplit

from scimgw.failure import GatewayError
from scimgw.transfer.http import Answer, Http
from scimgw.transfer.lines import FORMAT

# Told how many users and groups there are so far, and how many there will be.
type Progress = Callable[[int, int], None]

# Resources asked for at once, and members in one line.
PAGE = 100
MEMBERS_MAX = 1_000


@contextmanager
def writing(file: Path) -> Iterator[TextIO]:
    """Open a file that is there only when it is whole, and readable by its owner only."""
    part = file.with_name(f"{file.name}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        yield opened
    part.replace(file)


async def fetch_export(http: Http, path: str, file: Path, progress: Progress) -> None:
    """Write a tenant's export.

    Args:
        http: The gateway, as its operator.
        path: Of the export's first page.
        file: Where to.
        progress: Called after each page.
    """
    done = total = 0
    with writing(file) as out:
        while path:
            answer = _checked(await http.send("GET", path), path)
            for text in answer.text.splitlines():
                line = json.loads(text)
                if line["kind"] == "header":
                    total = line["users"] + line["groups"]
                done += line["kind"] in {"user", "group"}
                out.write(text + "\n")
            progress(done, total)
            parts = urlsplit(answer.next_url)
            path = f"{parts.path}?{parts.query}" if answer.next_url else ""


async def fetch_server(http: Http, file: Path, progress: Progress) -> None:
    """Write what a SCIM server has (RFC 7644 §3.4.2.4), in the lines of an export."""
    header = {"kind": "header", "format": FORMAT, "source": http.url, "exported": _now(), "settings": {}}
    seen: set[str] = set()
    with writing(file) as out:
        _write(out, header)
        for endpoint, kind in (("Users", "user"), ("Groups", "group")):
            async for resource, total in _read_all(http, endpoint, len(seen)):
                if resource["id"] in seen:
                    continue  # a page moved under us
                seen.add(resource["id"])
                progress(len(seen), total)
                if kind == "group":
                    await _write_group(http, out, resource)
                else:
                    _write(out, {"kind": kind, "resource": resource})
        _write(out, {"kind": "end"})


async def _read_all(http: Http, endpoint: str, before: int) -> Any:
    start = 1
    while True:
        page = _checked(await http.send("GET", f"/{endpoint}", startIndex=start, count=PAGE), endpoint).json
        resources = [one for one in page.get("Resources") or [] if isinstance(one, dict) and one.get("id")]
        total = int(page.get("totalResults") or 0)
        for resource in resources:
            yield resource, before + total
        start += len(resources)
        if not resources or start > total:
            return


async def _write_group(http: Http, out: TextIO, group: dict[str, Any]) -> None:
    if "members" not in group:
        # Some servers leave the members out of lists.
        group = _checked(await http.send("GET", f"/Groups/{group['id']}"), "a group").json
    members = [
        {"value": str(member["value"]), "type": _find_type(member)}
        for member in group.pop("members", None) or []
        if isinstance(member, dict) and member.get("value")
    ]
    _write(out, {"kind": "group", "resource": group})
    for start in range(0, len(members), MEMBERS_MAX):
        part = members[start : start + MEMBERS_MAX]
        _write(out, {"kind": "members", "group": group["id"], "members": part})


def _find_type(member: dict[str, Any]) -> str:
    is_group = str(member.get("type", "")).lower() == "group" or "/Groups/" in str(member.get("$ref", ""))
    return "Group" if is_group else "User"


def _checked(answer: Answer, what: str) -> Answer:
    if not answer.is_success:
        raise GatewayError(f"{what}: {answer.detail}")
    return answer


def _write(out: TextIO, line: dict[str, Any]) -> None:
    out.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
