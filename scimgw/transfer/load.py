"""Out of a file into a tenant, by SCIM: so everything is checked, and told as events, as if it were new.

A resource gets a new id in its new tenant: ids are never reused. The map of old to new ids is written beside
the file. References are mapped: members of groups, and managers. Who is there already, by the map, by
``userName``, or by a group's ``externalId`` or ``displayName``, is brought to the file's state; nothing is
deleted. So an import that broke off is simply run again.
"""

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from itertools import batched
from pathlib import Path
from typing import Any

from scimgw.transfer.http import Http
from scimgw.transfer.lines import Line, read_lines

type Resource = dict[str, Any]

# Requests in flight together, and resources read before they are written.
TOGETHER = 8
BATCH = 200
# Members of one PATCH.
MEMBERS_MAX = 500

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp"

# What a service provider makes itself, or the other resource tells.
_NOT_SENT = frozenset({"id", "meta", "groups", "members", "password"})


@dataclass
class Outcome:
    """What became of an import.

    Attributes:
        created: Resources made.
        changed: Resources that were there and were brought to the file's state.
        unchanged: Resources that were there like that.
        memberships: Members named to their groups.
        failures: What was refused, and why: ``(kind, old id, detail)``.
    """

    created: int = 0
    changed: int = 0
    unchanged: int = 0
    memberships: int = 0
    failures: list[tuple[str, str, str]] = field(default_factory=list)


class Importer:
    """One import.

    Args:
        http: The tenant's SCIM root, with a credential that may write.
        file: Lines of an export.
        map_file: Old and new ids, one pair a line.
        progress: Called after each user and group.
    """

    def __init__(self, http: Http, file: Path, map_file: Path, progress: Callable[[], None]) -> None:
        self._http = http
        self._file = file
        self._map_file = map_file
        self._progress = progress
        self._hints = dict(_read_map(map_file)) if map_file.exists() else {}
        self._ids: dict[str, str] = {}
        self._taken: set[str] = set()
        self._managers: list[tuple[str, str]] = []
        self.outcome = Outcome()

    async def run(self) -> Outcome:
        """Bring users, managers, groups and members over, in this order."""
        for batch in batched(read_lines(self._file, "user"), BATCH, strict=False):
            await _each(self._bring_user(line["resource"]) for line in batch)
            self._save_map()
        for pairs in batched(self._managers, BATCH, strict=False):
            await _each(self._bring_manager(*pair) for pair in pairs)
        for line in read_lines(self._file, "group"):
            # One after the other: groups may have the same name.
            await self._bring_group(line["resource"])
        self._save_map()
        for line in read_lines(self._file, "members"):
            await self._bring_members(line)
        return self.outcome

    async def _bring_user(self, user: Resource) -> None:
        body = make_body(user)
        extension = body.get(ENTERPRISE)
        manager = extension.pop("manager", None) if isinstance(extension, dict) else None
        old_manager = manager.get("value") if isinstance(manager, dict) else manager
        if extension is not None and not extension:
            del body[ENTERPRISE]
        name = json.dumps(str(user.get("userName", "")))
        present = await self._find("Users", user["id"], [f"userName eq {name}"])
        new_id = await self._bring("Users", user["id"], body, present)
        if new_id and old_manager:
            self._managers.append((new_id, str(old_manager)))

    async def _bring_manager(self, user_id: str, old_manager: str) -> None:
        manager = self._ids.get(old_manager)
        if manager is None:
            self.outcome.failures.append(("manager", old_manager, "is no user of the file"))
            return
        operation = {"op": "replace", "path": f"{ENTERPRISE}:manager", "value": {"value": manager}}
        await self._patch(f"/Users/{user_id}", operation, "manager", old_manager)

    async def _bring_group(self, group: Resource) -> None:
        filters = [
            f"{name} eq {json.dumps(group[name])}"
            for name in ("externalId", "displayName")
            if group.get(name)
        ]
        if group.get("externalId"):
            del filters[1:]
        present = await self._find("Groups", group["id"], filters, excludedAttributes="members")
        await self._bring("Groups", group["id"], make_body(group), present)

    async def _bring_members(self, line: Line) -> None:
        group_id = self._ids.get(line["group"])
        if group_id is None:
            return  # refused before
        known = []
        for member in line["members"]:
            if (new_id := self._ids.get(member["value"])) is not None:
                known.append({"value": new_id, "type": member["type"]})
            else:
                self.outcome.failures.append(
                    ("member", member["value"], "is not in the file, or was refused")
                )
        for part in batched(known, MEMBERS_MAX, strict=False):
            operation = {"op": "add", "path": "members", "value": list(part)}
            if await self._patch(f"/Groups/{group_id}", operation, "members", line["group"]):
                self.outcome.memberships += len(part)

    async def _patch(self, path: str, operation: Resource, kind: str, old_id: str) -> bool:
        answer = await self._http.send("PATCH", path, {"schemas": [PATCH_OP], "Operations": [operation]})
        if not answer.is_success:
            self.outcome.failures.append((kind, old_id, answer.detail))
        return answer.is_success

    async def _find(
        self, endpoint: str, old_id: str, filters: Iterable[str], **query: str
    ) -> Resource | None:
        """Return the resource of the tenant that is this one, by the map or else by a filter."""
        if (hint := self._hints.get(old_id)) is not None:
            answer = await self._http.send("GET", f"/{endpoint}/{hint}", **query)
            if answer.is_success and hint not in self._taken:
                return answer.json
        for text in filters:
            answer = await self._http.send("GET", f"/{endpoint}", filter=text, **query)
            for found in answer.json.get("Resources") or []:
                if found["id"] not in self._taken:
                    return dict(found)
        return None

    async def _bring(self, endpoint: str, old_id: str, body: Resource, present: Resource | None) -> str:
        """Create a resource or bring it to the file's state; returns its new id, empty if it was refused."""
        self._progress()
        if present is None:
            answer = await self._http.send("POST", f"/{endpoint}", body)
        elif _is_same(body, present):
            self.outcome.unchanged += 1
            return self._note(old_id, present["id"])
        elif endpoint == "Groups":
            return await self._change_group(old_id, body, present)
        else:
            manager = (present.get(ENTERPRISE) or {}).get("manager")
            if manager:
                body = {**body, ENTERPRISE: {**body.get(ENTERPRISE, {}), "manager": manager}}
            answer = await self._http.send("PUT", f"/{endpoint}/{present['id']}", body)
        if not answer.is_success:
            self.outcome.failures.append((endpoint, old_id, answer.detail))
            return ""
        if present is None:
            self.outcome.created += 1
        else:
            self.outcome.changed += 1
        return self._note(old_id, answer.json["id"])

    async def _change_group(self, old_id: str, body: Resource, present: Resource) -> str:
        """Change a group's own attributes: a PUT would have to name all its members."""
        value = {name: part for name, part in body.items() if name != "schemas"}
        path = f"/Groups/{present['id']}"
        if await self._patch(path, {"op": "replace", "value": value}, "Groups", old_id):
            self.outcome.changed += 1
        return self._note(old_id, present["id"])

    def _note(self, old_id: str, new_id: str) -> str:
        self._ids[old_id] = new_id
        self._taken.add(new_id)
        return new_id

    def _save_map(self) -> None:
        """Write the map anew, with what a broken run had found."""
        pairs = {**self._hints, **self._ids}
        lines = "".join(json.dumps({"old": old, "new": new}) + "\n" for old, new in pairs.items())
        part = self._map_file.with_name(f"{self._map_file.name}.part")
        part.write_text(lines, encoding="utf-8")
        part.replace(self._map_file)


def make_body(resource: Resource) -> Resource:
    """Return what of a resource another service provider can be given."""
    return {
        name: dict(value) if isinstance(value, dict) else value
        for name, value in resource.items()
        if name not in _NOT_SENT and value not in (None, [], {})
    }


def _is_same(body: Resource, present: Resource) -> bool:
    there = make_body(present)
    extension = there.get(ENTERPRISE)
    if isinstance(extension, dict):
        extension.pop("manager", None)
        if not extension:
            del there[ENTERPRISE]
    names = (body.keys() | there.keys()) - {"schemas"}
    return all(body.get(name) == there.get(name) for name in names)


async def _each(calls: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run calls, a bounded number at a time."""
    slots = asyncio.Semaphore(TOGETHER)

    async def run(call: Coroutine[Any, Any, None]) -> None:
        async with slots:
            await call

    async with asyncio.TaskGroup() as group:
        for call in calls:
            group.create_task(run(call))


def _read_map(file: Path) -> Iterable[tuple[str, str]]:
    for text in file.read_text(encoding="utf-8").splitlines():
        pair = json.loads(text)
        yield pair["old"], pair["new"]
