"""The Directory port in memory, for tests of the protocol. It passes the port's contract."""

import itertools
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import orjson
from scim2_models import (
    InvalidCursorException,
    InvalidValueException,
    NotFoundException,
    UniquenessException,
)

from scim.documents import (
    Access,
    Document,
    JsonObject,
    Member,
    MembershipChange,
    Page,
    Plan,
    ResourceName,
    Slice,
    WriteConflict,
)
from scim.storage.keys import fold

USER, GROUP = ResourceName.USER, ResourceName.GROUP
NOT_STORED = {"id", "meta", "members", "groups", "password"}
EMAILS_MAX = 40


class MemoryDirectory:
    """A directory that forgets. ``reads`` counts calls by name, so that tests see what a request costs."""

    def __init__(self) -> None:
        self.rows: dict[ResourceName, dict[str, tuple[bytes, int]]] = {USER: {}, GROUP: {}}
        self.names: dict[str, str] = {}
        self.members: dict[str, dict[str, ResourceName]] = {}
        self.calls: dict[str, int] = {}
        self.conflicts = 0
        self._operations = itertools.count(1)

    # -- reading ------------------------------------------------------------------------------------------

    async def read(self, resource_name: ResourceName, resource_id: str) -> Document:
        self._called("read")
        return self._document(resource_name, resource_id)

    async def read_members(self, group: Document) -> list[Member]:
        self._called("read_members")
        return sorted(Member(*each) for each in self.members[group.id].items())

    async def read_groups(self, user_ids: Sequence[str]) -> dict[str, list[Document]]:
        self._called("read_groups")
        return {
            user_id: [self._document(GROUP, each) for each in sorted(self._groups_of(user_id))]
            for user_id in user_ids
        }

    async def find(self, resource_name: ResourceName, plan: Plan, part: Slice) -> Page:
        self._called("find")
        found = [self._document(resource_name, each, "") for each in self._candidates(resource_name, plan)]
        if plan.predicate is not None:
            found = [document for document in found if plan.predicate(document.content)]
        keyed = sorted(((self._order(part, each), each) for each in found), key=lambda each: each[0])
        if part.descending:
            keyed.reverse()
        start = part.start_index - 1
        if part.by_cursor:
            start = self._start(keyed, part)
        page = [document for _, document in keyed[start : start + part.count]]
        has_next = part.by_cursor and page and start + part.count < len(keyed)
        return Page(len(found), page, {"after": keyed[start + part.count - 1][0]} if has_next else None)

    def _start(self, keyed: list[tuple[list[Any], Document]], part: Slice) -> int:
        if part.after is None:
            return 0
        after = part.after.get("after") if isinstance(part.after, dict) else None
        if not isinstance(after, list):
            raise InvalidCursorException
        after = [after[0] if part.sort_key is None else tuple(after[0]), after[1]]
        keys = [key for key, _ in keyed]
        if part.descending:
            return sum(1 for key in keys if key >= after)
        position = bisect_left(keys, after)
        return position + (position < len(keys) and keys[position] == after)

    @staticmethod
    def _order(part: Slice, document: Document) -> list[Any]:
        if part.sort_key is not None:
            return [part.sort_key(document.content), document.id]
        if part.sort_by_user_name:
            return [fold(document.content["userName"]), document.id]
        return [0, document.id]

    def _candidates(self, resource_name: ResourceName, plan: Plan) -> Iterable[str]:
        rows = self.rows[resource_name]
        match plan.access:
            case Access.NOTHING:
                return []
            case Access.ID:
                return [plan.value] if plan.value in rows else []
            case Access.USER_NAME:
                return [self.names[fold(plan.value)]] if fold(plan.value) in self.names else []
            case Access.MEMBER:
                return [plan.value] if plan.other in self.members.get(plan.value, {}) else []
            case Access.GROUPS_OF:
                return self._groups_of(plan.value)
            case Access.MEMBERS_OF:
                return [each for each in self.members.get(plan.value, {}) if each in rows]
        return [each for each in rows if self._is_candidate(self._content(resource_name, each), plan)]

    @staticmethod
    def _is_candidate(content: JsonObject, plan: Plan) -> bool:
        value = fold(plan.value)
        match plan.access:
            case Access.EXTERNAL_ID:
                return content.get("externalId") == plan.value
            case Access.EMAIL:
                return value in [fold(each.get("value") or "") for each in content.get("emails", [])]
            case Access.DISPLAY_NAME:
                return fold(content["displayName"]) == value
            case Access.USER_NAME_PREFIX:
                return fold(content["userName"]).startswith(value)
            case Access.DISPLAY_NAME_PREFIX:
                return fold(content["displayName"]).startswith(value)
        return True

    # -- writing ------------------------------------------------------------------------------------------

    async def create_user(self, content: JsonObject) -> Document:
        self._called("create_user")
        self._check_user(content)
        name = fold(content["userName"])
        if name in self.names:
            raise UniquenessException(detail="userName is taken")
        document = self._store(USER, uuid4().hex, content, 1)
        self.names[name] = document.id
        return document

    async def replace_user(self, current: Document, content: JsonObject) -> Document:
        self._called("replace_user")
        self._check_current(current)
        self._check_user(content)
        old, new = fold(current.content["userName"]), fold(content["userName"])
        if self.names.get(new, current.id) != current.id:
            raise UniquenessException(detail="userName is taken")
        if self._own(content) == self._own(current.content):
            return current
        del self.names[old]
        self.names[new] = current.id
        return self._store(
            USER, current.id, content, current.sequence + 1, current.content["meta"]["created"]
        )

    async def delete_user(self, current: Document) -> None:
        self._called("delete_user")
        self._check_current(current)
        del self.names[fold(current.content["userName"])]
        self._delete(current)

    async def create_group(self, content: JsonObject, members: Sequence[Member]) -> Document:
        self._called("create_group")
        resolved = {member.value: self._resolve(member) for member in members}
        document = self._store(GROUP, uuid4().hex, content, 1)
        self.members[document.id] = resolved
        return document

    async def change_group(
        self, current: Document, content: JsonObject | None, change: MembershipChange
    ) -> Document:
        self._called("change_group")
        self._check_current(current)
        old = self.members[current.id]
        removes = set(old) if change.replace_all else set(change.removes)
        new = {key: each for key, each in old.items() if key not in removes}
        for member in change.adds:
            new[member.value] = old.get(member.value) or self._resolve(member)
        same = content is None or self._own(content) == self._own(current.content)
        if same and new == old:
            return current
        self.members[current.id] = new
        kept = current.content if content is None else content
        return self._store(GROUP, current.id, kept, current.sequence + 1, current.content["meta"]["created"])

    async def delete_group(self, current: Document) -> None:
        self._called("delete_group")
        self._check_current(current)
        self._delete(current)

    # -- helpers ------------------------------------------------------------------------------------------

    def _called(self, name: str) -> None:
        self.calls[name] = self.calls.get(name, 0) + 1

    @staticmethod
    def _own(content: JsonObject) -> JsonObject:
        return {name: value for name, value in content.items() if name not in NOT_STORED}

    def _content(self, resource_name: ResourceName, resource_id: str) -> JsonObject:
        found = self.rows[resource_name].get(resource_id)
        if found is None:
            raise NotFoundException(detail=f"{resource_name} {resource_id!r} not found")
        content: JsonObject = orjson.loads(found[0])
        return content

    def _document(self, resource_name: ResourceName, resource_id: str, etag: str = "*") -> Document:
        content = self._content(resource_name, resource_id)
        sequence = self.rows[resource_name][resource_id][1]
        return Document(resource_name, content, sequence, etag and content["meta"]["version"])

    def _store(
        self,
        resource_name: ResourceName,
        resource_id: str,
        content: JsonObject,
        sequence: int,
        created: str | None = None,
    ) -> Document:
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        meta = {"resourceType": resource_name.value, "created": created or now, "lastModified": now}
        meta["version"] = f'W/"k{next(self._operations):026x}"'
        stored = {**self._own(content), "id": resource_id, "meta": meta}
        self.rows[resource_name][resource_id] = (orjson.dumps(stored), sequence)
        return self._document(resource_name, resource_id)

    def _delete(self, current: Document) -> None:
        del self.rows[current.resource_name][current.id]
        self.members.pop(current.id, None)
        for group_id, members in self.members.items():
            if members.pop(current.id, None):
                group = self._document(GROUP, group_id)
                created = group.content["meta"]["created"]
                self._store(GROUP, group_id, group.content, group.sequence, created)

    def _check_current(self, current: Document) -> None:
        if self.conflicts:
            self.conflicts -= 1
            raise WriteConflict
        stored = self._document(current.resource_name, current.id)
        if stored.entity_etag != current.entity_etag:
            raise WriteConflict

    @staticmethod
    def _check_user(content: JsonObject) -> None:
        if not content.get("userName"):
            raise InvalidValueException(detail="A user needs a userName")
        if len(content.get("emails", [])) > EMAILS_MAX:
            raise InvalidValueException(detail=f"A user has {EMAILS_MAX} e-mail addresses at most")

    def _resolve(self, member: Member) -> ResourceName:
        types = [member.resource_name] if member.resource_name else [USER, GROUP]
        found = next((name for name in types if member.value in self.rows[name]), None)
        if found is None:
            raise InvalidValueException(detail=f"There is no resource {member.value!r}")
        return found

    def _groups_of(self, member_id: str) -> list[str]:
        return [group_id for group_id, members in self.members.items() if member_id in members]
