"""PATCH of a user against a model of a few lines: whatever operations come, in whatever shape, in order."""

import asyncio
import json
from copy import deepcopy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from scim.documents import JsonObject
from tests.unit.scim.clients import ENTERPRISE, Client

# Paths, and where a value of theirs is in a resource.
PLACES = {
    "title": ("title",),
    "NickName": ("nickName",),
    "name.givenName": ("name", "givenName"),
    "Name.FamilyName": ("name", "familyName"),
    f"{ENTERPRISE}:department": (ENTERPRISE, "department"),
    f"{ENTERPRISE}:costCenter": (ENTERPRISE, "costCenter"),
}
TYPES = ("work", "home")
TEXTS = st.sampled_from(["a", "b", "A b", "é'\"", "True"])
EMPTY = st.sampled_from(["", None])
ADDING = st.sampled_from(["add", "Add", "replace", "REPLACE", "Replace"])
REMOVING = st.sampled_from(["remove", "Remove"])


def operation(
    op: st.SearchStrategy[str], path: str | None, value: Any = None
) -> st.SearchStrategy[JsonObject]:
    parts: dict[str, Any] = {"op": op}
    if path is not None:
        parts["path"] = st.just(path)
    if value is not None:
        parts["value"] = value
    return st.fixed_dictionaries(parts)


OPERATIONS = st.one_of(
    *(operation(ADDING, path, TEXTS | EMPTY) for path in PLACES),
    *(operation(REMOVING, path) for path in PLACES),
    operation(ADDING, None, st.dictionaries(st.sampled_from([*PLACES]), TEXTS | EMPTY, min_size=1)),
    operation(ADDING, "active", st.sampled_from(["True", "false", True, False])),
    *(operation(ADDING, f'emails[type eq "{kind}"].value', TEXTS) for kind in TYPES),
    *(operation(ADDING, f'Emails[Type eq "{kind.upper()}"].Value', TEXTS) for kind in TYPES),
    *(operation(REMOVING, f'emails[type eq "{kind}"]') for kind in TYPES),
    *(operation(st.just("replace"), f'emails[type eq "{kind}"].value', EMPTY) for kind in TYPES),
    operation(st.just("Add"), "emails", st.lists(st.fixed_dictionaries({"value": TEXTS}), max_size=2)),
    operation(REMOVING, "emails"),
)


def apply(user: JsonObject, sent: JsonObject) -> None:
    """Do what the operation says, in the plainest way."""
    op, path, value = sent["op"].lower(), sent.get("path"), sent.get("value")
    if path is None:
        for name, item in value.items():
            apply(user, {"op": op, "path": name, "value": item})
    elif path == "active":
        user["active"] = str(value).lower() == "true"
    elif path in PLACES:
        *outer, name = PLACES[path]
        holder = user.setdefault(outer[0], {}) if outer else user
        holder.pop(name, None)
        if op != "remove" and value:
            holder[name] = value
    else:
        user["emails"] = changed_emails(user.get("emails", []), op, path.lower(), value)


def changed_emails(emails: list[JsonObject], op: str, path: str, value: Any) -> list[JsonObject]:
    if path == "emails":
        new = [email for number, email in enumerate(value or []) if email not in value[:number]]
        return [*emails, *(email for email in new if email not in emails)] if op == "add" else []
    (kind,) = [each for each in TYPES if f'"{each}"' in path]
    others = [email for email in emails if email.get("type") != kind]
    return others if op == "remove" or not value else [*others, {"type": kind, "value": value}]


def plain(resource: JsonObject) -> JsonObject:
    """What a resource says: without what is empty, the order of values, and the case of types."""
    found = {
        name: value
        for name, value in resource.items()
        if name not in {"id", "meta", "schemas"} and value != {}
    }
    emails = [
        {**email, **({"type": email["type"].lower()} if "type" in email else {})}
        for email in found.get("emails", [])
    ]
    found["emails"] = sorted(json.dumps(email, sort_keys=True) for email in emails)
    return found


async def patch(start: JsonObject, operations: list[JsonObject]) -> tuple[JsonObject, JsonObject]:
    """Return the answer to a PATCH of a new user, and what a GET says then."""
    client = Client()
    user_id = await client.create_user("jo", **start)
    answer = await client.patch(f"/Users/{user_id}", *operations)
    assert answer.status == 200, answer.body
    return answer.body, (await client.get(f"/Users/{user_id}")).body


STARTS: list[JsonObject] = [
    {},
    {"title": "a", "name": {"givenName": "a", "familyName": "b"}, ENTERPRISE: {"department": "a"}},
    {"active": True, "emails": [{"type": "work", "value": "a"}, {"value": "b"}]},
]


@settings(deadline=None, max_examples=200)
@given(start=st.sampled_from(STARTS), operations=st.lists(OPERATIONS, min_size=1, max_size=6))
def test_a_patch_does_what_its_operations_say(start: JsonObject, operations: list[JsonObject]):
    """RFC 7644 §3.5.2, with Entra's creating paths, empty values and keys that are paths."""
    expected = {"userName": "jo", **deepcopy(start)}
    for each in operations:
        apply(expected, each)

    answered, read = asyncio.run(patch(deepcopy(start), operations))

    assert plain(expected) == plain(read)
    assert answered == read
