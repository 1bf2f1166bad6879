"""Whatever is sent, the answer is SCIM's and no failure of ours: random requests on a small directory."""

import asyncio
import copy
from typing import Any

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scim.documents import ResourceName
from scim.profile import AttributeType, CustomAttribute, TenantProfile
from tests.unit.scim.clients import (
    BULK_REQUEST,
    ENTERPRISE,
    ERROR,
    GROUP,
    NOBODY,
    PATCH_OP,
    TENANT_ID,
    USER,
    Client,
)
from tests.unit.scim.memory_directory import MemoryDirectory

# What is not implemented says so: /Me, and orders across types by cursor.
NOT_IMPLEMENTED = 501

CUSTOM = "urn:ietf:params:scim:schemas:extension:Custom:2.0:User"
PROFILE = TenantProfile(
    TENANT_ID,
    custom_attributes=(
        CustomAttribute("location"),
        CustomAttribute("level", AttributeType.INTEGER),
        CustomAttribute("tags", AttributeType.STRINGS),
        CustomAttribute(f"{CUSTOM}:hired", AttributeType.DATE_TIME),
    ),
    default_roles=("reader",),
)

FULL_USER: dict[str, Any] = {
    "schemas": [USER, ENTERPRISE],
    "userName": "jo",
    "externalId": "x",
    "active": True,
    "name": {"givenName": "Jo", "familyName": "Y"},
    "emails": [{"value": "jo@x", "type": "work", "primary": True}, {"value": "b"}],
    "roles": [{"value": "r", "primary": False}],
    "addresses": [{"type": "work", "streetAddress": "s"}],
    "photos": [{"value": "https://x/y", "type": "photo"}],
    "x509Certificates": [{"value": "YQ=="}],
    "profileUrl": "https://x",
    "location": "Bern",
    "level": 3,
    "tags": ["a", "b"],
    ENTERPRISE: {"department": "d", "manager": {"value": NOBODY, "$ref": "../Users/x"}},
    CUSTOM: {"hired": "2011-05-13T04:42:34Z"},
}

NAMES = [
    "userName",
    "name",
    "name.givenName",
    "emails",
    "emails.value",
    'emails[type eq "work"]',
    'emails[type eq "work"].value',
    'emails[type eq "new" and primary eq true].VALUE',
    'roles[primary eq "True"].value',
    'addresses[type co "w"].locality',
    "active",
    "level",
    "tags",
    'tags[value eq "a"]',
    "photos",
    "x509Certificates.value",
    "meta.version",
    "id",
    "schemas",
    "groups",
    "password",
    "members",
    f'members[value eq "{NOBODY}"]',
    "members.value",
    "displayName",
    ENTERPRISE,
    f"{ENTERPRISE}:manager",
    f"{ENTERPRISE}:manager.value",
    "manager",
    f"{CUSTOM}:hired",
    USER,
    GROUP,
    "unknown",
    "unknown[a eq 1].b",
    "",
    "[",
    "a b",
    "..",
    "userName.",
    "urn:",
]
OPERATORS = ["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le", "pr", "EQ", "xx", "and"]
VALUES = [
    '"a"',
    '"True"',
    "true",
    "null",
    "5",
    "-1e5",
    '"2011-05-13T04:42:34Z"',
    f'"{NOBODY}"',
    '"é\\u0000"',
    "'",
    '""',
]

texts = st.one_of(
    st.sampled_from(["", "jo", "True", NOBODY, "2011-05-13T04:42:34Z", "'", "\\", "bulkId:a"]),
    st.text(max_size=5),
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63),
    st.floats(allow_nan=False, allow_infinity=False),
    texts,
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.one_of(st.sampled_from([*NAMES, "value", "$ref", "type", "primary"]), texts), inner, max_size=3
        ),
    ),
    max_leaves=8,
)


@st.composite
def mutated(draw: st.DrawFn, template: Any) -> Any:
    """A valid body with up to three of its parts replaced, removed or renamed."""
    body = copy.deepcopy(template)
    for _ in range(draw(st.integers(0, 3))):
        spots: list[tuple[Any, Any]] = []
        pending = [body]
        while pending:
            part = pending.pop()
            items = list(part.items()) if isinstance(part, dict) else list(enumerate(part))
            spots += [(part, key) for key, _ in items]
            pending += [item for _, item in items if isinstance(item, dict | list)]
        if not spots:
            break
        part, key = draw(st.sampled_from(spots))
        change = draw(st.sampled_from(["replace", "remove", "rename"]))
        if change == "replace":
            part[key] = draw(values)
        elif change == "remove":
            del part[key]
        elif isinstance(part, dict):
            part[draw(st.one_of(st.sampled_from(NAMES), st.just(str(key).upper())))] = part.pop(key)
    return body


operations = st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "Replace", "remove", "REMOVE", "move"])},
    optional={"path": st.one_of(st.sampled_from(NAMES), scalars), "value": values, "name": scalars},
)


@st.composite
def filters(draw: st.DrawFn) -> str:
    """Something like a filter."""
    name, operator, value = (draw(st.sampled_from(each)) for each in (NAMES, OPERATORS, VALUES))
    text = f"{name} {operator} {value}"
    for _ in range(draw(st.integers(0, 3))):
        other = draw(st.sampled_from(NAMES))
        text = draw(
            st.sampled_from(
                [
                    f"not ({text})",
                    f"{text} and {other} pr",
                    f"({text}) or {other} {operator} {value}",
                    f"{name}[{text}]",
                    text[1:],
                ]
            )
        )
    return text


@st.composite
def requests(draw: st.DrawFn, ids: list[str]) -> tuple[str, str, Any, dict[str, str], dict[str, str]]:
    """Method, path, body, query and headers."""
    resource_id = draw(st.sampled_from([*ids, NOBODY, "x", "%", "é", ids[0].upper()]))
    paths = ["/Users", "/Groups", f"/Users/{resource_id}", f"/Groups/{resource_id}", "/Bulk", "/", "/.search"]
    others = ["/Users/.search", "/Me", "/Schemas", f"/Schemas/{USER}", "/ResourceTypes/x", "/users/a/b"]
    path = draw(st.sampled_from([*paths, *others]))
    method = draw(st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE"]))
    patch = {"schemas": [PATCH_OP], "Operations": draw(st.lists(operations, min_size=1, max_size=3))}
    templates = [
        FULL_USER,
        {
            "schemas": [GROUP],
            "displayName": "g",
            "externalId": "x",
            "members": [{"value": ids[0], "type": "User"}],
        },
        patch,
        patch,
        {
            "filter": draw(filters()),
            "attributes": ["userName"],
            "sortBy": "userName",
            "startIndex": 1,
            "count": 2,
        },
        {
            "schemas": [BULK_REQUEST],
            "failOnErrors": 2,
            "Operations": [
                {"method": "POST", "path": "/Users", "bulkId": "a", "data": FULL_USER},
                {"method": "PATCH", "path": "/Groups/bulkId:a", "data": patch},
                {"method": method, "path": path, "version": "x", "data": {"displayName": "g"}},
            ],
        },
    ]
    body = draw(st.one_of(st.sampled_from(templates).flatmap(mutated), values, st.binary(max_size=20)))
    query = draw(
        st.dictionaries(
            st.sampled_from(
                [
                    "filter",
                    "attributes",
                    "excludedAttributes",
                    "sortBy",
                    "sortOrder",
                    "startIndex",
                    "count",
                    "cursor",
                ]
            ),
            st.one_of(filters(), st.sampled_from([*NAMES, "1", "-1", "x", "descending", "é"])),
            max_size=3,
        )
    )
    headers = draw(
        st.dictionaries(
            st.sampled_from(["If-Match", "If-None-Match"]),
            st.sampled_from(["*", 'W/"x"', "x", '"', ","]),
            max_size=1,
        )
    )
    return method, path, body, query, headers


@settings(deadline=None, max_examples=400, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_request_makes_the_service_fail(data: st.DataObject):
    """Always SCIM, never a 5xx but 501; and what was stored can be read, listed and sorted."""

    async def run() -> None:
        client = Client(MemoryDirectory(), PROFILE)
        ids = [await client.create_user("ann", title="x"), await client.create_user("bob")]
        ids.append(await client.create_group("g", *ids))
        for _ in range(3):
            method, path, body, query, headers = data.draw(requests(ids))
            if not isinstance(body, bytes):
                try:
                    body = orjson.dumps(body)
                except TypeError:  # integers beyond 64 bits, half a surrogate pair
                    continue
            answer = await client.send(method, path, body, query=query, headers=headers)
            assert answer.status < 500 or answer.status == NOT_IMPLEMENTED, answer.body
            if answer.status >= 400:
                assert answer.body["schemas"] == [ERROR]
                assert answer.body["status"] == str(answer.status)
            for result in (answer.body or {}).get("Operations", []):
                assert result["status"] < "5", result
        await check_readable(client)

    asyncio.run(run())


async def check_readable(client: Client) -> None:
    for resource_name in ResourceName:
        body = await client.search(
            f"/{resource_name}s", sortBy="meta.created", filter='id pr or externalId co "x"'
        )
        for resource in body["Resources"]:
            read = await client.get(f"/{resource_name}s/{resource['id']}")
            assert read.body == resource
            assert (await client.put(f"/{resource_name}s/{resource['id']}", resource)).body == resource
