"""What is wrong with an answer, rule by rule; and that no answer, however odd, stops the simulator."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scimgw.simulate import checks
from scimgw.simulate.answer import Answer, Problem
from scimgw.simulate.attributes import ENTERPRISE, GROUP, MAPPED, USER, read_values
from scimgw.simulate.checks import ERROR, LIST_RESPONSE
from scimgw.simulate.entra import check_active, check_schemas
from tests.unit.scimgw.defects import ENTRA, OKTA, on_answer
from tests.unit.scimgw.scim_server import Exchange
from tests.unit.scimgw.test_simulate_defects import run

HEADERS = {"content-type": "application/scim+json; charset=utf-8"}
META = {
    "resourceType": "User",
    "created": "2026-05-01T10:00:00Z",
    "lastModified": "2026-05-01T10:00:00.123+00:00",
    "location": "https://h/scim/Users/u1",
    "version": 'W/"1"',
}
RESOURCE = {"schemas": [USER], "id": "u1", "userName": "jo", "meta": META}
PAGE = {
    "schemas": [LIST_RESPONSE],
    "totalResults": 3,
    "startIndex": 1,
    "itemsPerPage": 1,
    "Resources": [RESOURCE],
}
NOT_FOUND = {"schemas": [ERROR], "status": "404", "detail": "There is no such user."}


def answer(body: object, status: int = 200, **headers: str) -> Answer:
    return Answer(status, HEADERS | headers, body, is_empty=body is None)


def abouts(problems: object) -> list[str]:
    return [problem.about for problem in problems]  # type: ignore[attr-defined]


def without(body: dict, name: str) -> dict:
    return {key: value for key, value in body.items() if key != name}


@pytest.mark.parametrize(
    ("seen", "expected", "about"),
    [
        (answer(RESOURCE), {200}, []),
        (answer(None, 204), {204}, []),
        (answer(NOT_FOUND, 404), {404}, []),
        (Answer(0, failure="refused"), {200}, ["answer"]),
        (answer(RESOURCE, 201), {200}, ["status"]),
        (answer(None), {200}, ["body"]),
        (answer(None, 201), {201}, ["body"]),
        (answer({}, 204), {204}, ["body"]),
        (answer([RESOURCE]), {200}, ["body"]),
        (answer(RESOURCE, **{"content-type": "text/html"}), {200}, ["Content-Type"]),
        (answer(RESOURCE, **{"content-type": "Application/SCIM+JSON"}), {200}, []),
        (answer(NOT_FOUND | {"status": 404}, 404), {404}, ["error.status"]),
        (answer(NOT_FOUND | {"detail": ""}, 404), {404}, ["error.detail"]),
        (answer(NOT_FOUND | {"schemas": ERROR}, 404), {404}, ["error.schemas"]),
        (answer(NOT_FOUND | {"status": "401"}, 401), {401}, ["WWW-Authenticate"]),
        (answer(NOT_FOUND | {"status": "401"}, 401, **{"www-authenticate": "Bearer"}), {401}, []),
    ],
)
def test_status_media_type_and_error_body(seen, expected, about):
    """RFC 7644 §3.1, §3.12; RFC 6750 §3."""
    assert abouts(checks.check_status(seen, expected)) == about


def test_a_wrong_status_is_told_with_what_the_server_says():
    (problem,) = checks.check_status(answer(NOT_FOUND, 404), {200})

    assert problem.text == "status is 404 ('There is no such user.'), expected 200"


@pytest.mark.parametrize(
    ("resource", "about"),
    [
        (RESOURCE, []),
        (without(RESOURCE, "schemas"), ["schemas"]),
        (RESOURCE | {ENTERPRISE: {"department": "IT"}}, ["schemas"]),
        (RESOURCE | {ENTERPRISE: {}}, []),
        (RESOURCE | {"password": ""}, ["password"]),
        (without(RESOURCE, "meta"), ["meta"]),
        (RESOURCE | {"id": "u2"}, ["id", "meta.location"]),
        (RESOURCE | {"id": 7}, ["id", "meta.location"]),
        (RESOURCE | {"meta": META | {"resourceType": "Group"}}, ["meta.resourceType"]),
        (RESOURCE | {"meta": META | {"location": "/Users/u1"}}, ["meta.location"]),
        (RESOURCE | {"meta": META | {"created": "yesterday"}}, ["meta.created"]),
        (RESOURCE | {"meta": META | {"lastModified": 5}}, ["meta.lastModified"]),
        (RESOURCE | {"meta": META | {"lastModified": "2026-05-01T09:59:59Z"}}, ["meta.lastModified"]),
        (RESOURCE | {"meta": META | {"lastModified": "2026-05-01T10:00:01"}}, []),
    ],
)
def test_what_every_resource_has(resource, about):
    """RFC 7643 §3, §3.1."""
    assert abouts(checks.check_resource(resource, "User", "u1")) == about


@pytest.mark.parametrize(
    ("headers", "about"),
    [
        ({"location": META["location"]}, []),
        ({}, ["Location"]),
        ({"location": "https://h/other"}, ["Location"]),
        ({"location": META["location"], "etag": 'W/"1"'}, []),
        ({"location": META["location"], "etag": 'W/"0"'}, ["ETag"]),
    ],
)
def test_headers_of_a_creation(headers, about):
    """RFC 7644 §3.3, §3.14."""
    assert abouts(checks.check_headers(answer(RESOURCE, 201, **headers), is_created=True)) == about


@pytest.mark.parametrize(
    ("changes", "about"),
    [
        ({}, []),
        ({"schemas": []}, ["schemas"]),
        ({"totalResults": "3"}, ["totalResults"]),
        ({"totalResults": True}, ["totalResults"]),
        ({"totalResults": 0}, ["totalResults"]),
        ({"startIndex": 2}, ["startIndex"]),
        ({"itemsPerPage": 100}, ["itemsPerPage"]),
        ({"Resources": None}, ["Resources"]),
        ({"Resources": ["u1"]}, ["Resources"]),
        ({"Resources": [RESOURCE] * 3, "itemsPerPage": 3}, ["count"]),
    ],
)
def test_a_list_is_as_it_says(changes, about):
    """RFC 7644 §3.4.2."""
    assert abouts(checks.check_list(answer(PAGE | changes), start_index=1, count=2)) == about


@pytest.mark.parametrize(
    ("expected", "total", "about"),
    [(["u1"], 1, []), (["u2"], 1, ["found"]), ([], 1, ["found"]), (["u1"], 2, ["totalResults"])],
)
def test_a_query_finds_what_it_must_and_counts_it(expected, total, about):
    assert abouts(checks.check_found(answer(PAGE | {"totalResults": total}), expected)) == about


def test_long_values_are_cut():
    (problem,) = checks.check_attributes({"title": "x" * 1000}, {})

    assert len(problem.text) < 150


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "id",
                    "schemas",
                    "meta",
                    "Resources",
                    "members",
                    "value",
                    "attributes",
                    "emails",
                    "name",
                    ENTERPRISE,
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(anything)
def test_no_answer_stops_a_check(body):
    """A server may answer anything: it is told, and the run goes on."""
    seen = answer(body)
    document = seen.document

    problems = [
        *checks.check_status(seen, {404}),
        *checks.check_scim_type(seen, "uniqueness"),
        *checks.check_resource(document, "Group", "u1"),
        *checks.check_headers(seen, is_created=True),
        *checks.check_created(document, META["created"]),
        *checks.check_attributes(document, dict.fromkeys(MAPPED, "x")),
        *checks.check_group(document, "Sales", "e1"),
        *checks.check_members(document, {"u1"}),
        *checks.check_no_members(document),
        *checks.check_list(seen, start_index=1, count=1),
        *checks.check_found(seen, ["u1"]),
        *check_active(seen, True),
        *check_schemas(seen),
    ]

    assert all(isinstance(problem, Problem) and "\n" not in problem.text for problem in problems)
    assert all(isinstance(read_values(document, path), list) for path in MAPPED)
    assert GROUP


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("dialect", [ENTRA[seed] for seed in range(2)] + [OKTA])
def test_junk_anywhere_is_told_and_never_stops_a_run(seed, dialect):
    """Now and then, one value somewhere in an answer is another one."""
    random = Random(f"{seed}{dialect}")

    def spoil(exchange: Exchange) -> None:
        if random.random() < 0.1 and len(exchange.path) > len("/scim/Users"):
            replace_something(exchange.answer, random)

    outcome = run(dialect, on_answer(spoil))

    assert not outcome.record.agreed
    assert outcome.record.operations > 30


def replace_something(value: object, random: Random) -> None:
    """Replace one value, at a random depth, by junk."""
    junk = random.choice([None, [], {}, 0, "x", [None], {"a": {}}, True, [[1]], "2026"])
    if isinstance(value, dict) and value:
        key = random.choice(list(value))
        if isinstance(value[key], dict | list) and value[key] and random.random() < 0.7:
            replace_something(value[key], random)
        else:
            value[key] = junk
    elif isinstance(value, list) and value:
        value[random.randrange(len(value))] = junk
