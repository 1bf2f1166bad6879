"""What must be true of an answer, as RFC 7643, RFC 7644, Entra and Okta say it. Pure."""

from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from scimgw.simulate.answer import Answer, Problem
from scimgw.simulate.attributes import (
    ENTERPRISE,
    EXTERNAL_ID,
    GROUP,
    MAPPED,
    USER,
    Attributes,
    JsonObject,
    Value,
    read_values,
)

MEDIA_TYPE = "application/scim+json"
LIST_RESPONSE = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"

# A value shown to a person is cut here: one problem is one line.
SHOWN_CHARACTERS_MAX = 80


def check_status(answer: Answer, expected: Collection[int]) -> Iterator[Problem]:
    """Check the status and how the body is labelled; an error must be one that Entra can read.

    RFC 7644 §3.1 (media type), §3.12 (``status`` is a string, ``detail`` helps), RFC 6750 §3 (challenge).
    """
    if answer.status == 0:
        yield Problem("answer", f"no answer: {answer.failure}")
        return
    if answer.status not in expected:
        wanted = " or ".join(map(str, sorted(expected)))
        detail = answer.document.get("detail")
        said = f" ({shown(detail)})" if isinstance(detail, str) and detail else ""
        yield Problem("status", f"status is {answer.status}{said}, expected {wanted}")
    if answer.is_empty:
        if answer.status in (HTTPStatus.OK, HTTPStatus.CREATED):
            yield Problem("body", f"{answer.status} with an empty body")
    else:
        yield from _check_body(answer)
    if answer.status == HTTPStatus.UNAUTHORIZED and "www-authenticate" not in answer.headers:
        yield Problem("WWW-Authenticate", "401 without a WWW-Authenticate header")


def _check_body(answer: Answer) -> Iterator[Problem]:
    media_type = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if answer.status == HTTPStatus.NO_CONTENT:
        yield Problem("body", "204 with a body")
    elif media_type != MEDIA_TYPE:
        yield Problem("Content-Type", f"Content-Type is {media_type or 'missing'}, expected {MEDIA_TYPE}")
    if not isinstance(answer.body, dict):
        yield Problem("body", answer.failure or "the body is no JSON object")
    elif answer.status >= HTTPStatus.BAD_REQUEST:
        yield from _check_error(answer)


def _check_error(answer: Answer) -> Iterator[Problem]:
    body = answer.document
    if ERROR not in _strings(body.get("schemas")):
        yield Problem("error.schemas", f"the error's schemas are {shown(body.get('schemas'))}, not [{ERROR}]")
    if body.get("status") != str(answer.status):
        yield Problem(
            "error.status", f'the error\'s status is {shown(body.get("status"))}, expected "{answer.status}"'
        )
    if not (isinstance(body.get("detail"), str) and body["detail"]):
        yield Problem("error.detail", "the error has no detail")


def check_scim_type(answer: Answer, expected: str) -> Iterator[Problem]:
    """Check the detail error keyword (RFC 7644 §3.12, Table 9)."""
    if answer.document.get("scimType") != expected:
        yield Problem(
            "scimType", f"scimType is {shown(answer.document.get('scimType'))}, expected {expected}"
        )


def check_resource(document: JsonObject, resource_name: str, resource_id: str = "") -> Iterator[Problem]:
    """Check what every resource has: ``schemas``, ``id`` and ``meta`` (RFC 7643 §3, §3.1), and no password.

    Args:
        document: The resource.
        resource_name: ``User`` or ``Group``.
        resource_id: The id it must have; any where empty.
    """
    schemas = _strings(document.get("schemas"))
    needed = [USER if resource_name == "User" else GROUP] + [ENTERPRISE] * bool(document.get(ENTERPRISE))
    for urn in needed:
        if urn not in schemas:
            yield Problem("schemas", f"schemas lacks {urn}")
    found_id = document.get("id")
    if not (isinstance(found_id, str) and found_id):
        yield Problem("id", f"id is {shown(found_id)}, expected a string")
    elif resource_id and found_id != resource_id:
        yield Problem("id", f"id is {shown(found_id)}, expected {shown(resource_id)}")
    if "password" in document:
        yield Problem("password", "the password is returned")
    yield from _check_meta(document.get("meta"), resource_name, found_id)


def _check_meta(meta: Any, resource_name: str, resource_id: Any) -> Iterator[Problem]:
    if not isinstance(meta, dict):
        yield Problem("meta", "meta is missing")
        return
    if meta.get("resourceType") != resource_name:
        yield Problem(
            "meta.resourceType",
            f"meta.resourceType is {shown(meta.get('resourceType'))}, expected {resource_name}",
        )
    location = meta.get("location")
    if not (isinstance(location, str) and "://" in location and location.endswith(f"/{resource_id}")):
        yield Problem(
            "meta.location", f"meta.location is {shown(location)}, expected an absolute URI of the resource"
        )
    created, modified = _instant(meta.get("created")), _instant(meta.get("lastModified"))
    for name, instant in (("created", created), ("lastModified", modified)):
        if instant is None:
            yield Problem(f"meta.{name}", f"meta.{name} is {shown(meta.get(name))}, expected a dateTime")
    if created and modified and modified < created:
        yield Problem("meta.lastModified", "meta.lastModified is before meta.created")


def check_headers(answer: Answer, *, is_created: bool = False) -> Iterator[Problem]:
    """Check ``Location`` (required on 201, RFC 7644 §3.3) and ``ETag`` against the resource's ``meta``."""
    meta = answer.document.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    location = answer.headers.get("location")
    if is_created and not location:
        yield Problem("Location", "201 without a Location header")
    if location and is_created and location != meta.get("location"):
        yield Problem(
            "Location", f"Location is {shown(location)}, meta.location {shown(meta.get('location'))}"
        )
    version = answer.headers.get("etag")
    if version and meta.get("version") and version != meta["version"]:
        yield Problem("ETag", f"ETag is {shown(version)}, meta.version {shown(meta['version'])}")


def check_created(document: JsonObject, created: str) -> Iterator[Problem]:
    """Check that ``meta.created`` has stayed what it was."""
    meta = document.get("meta")
    found = meta.get("created") if isinstance(meta, dict) else None
    if created and _instant(found) != _instant(created):
        yield Problem("meta.created", f"meta.created was {created} and is now {shown(found)}")


def check_attributes(document: JsonObject, expected: Attributes) -> Iterator[Problem]:
    """Compare a user with what it must be: every value as sent, and nothing left of what was cleared."""
    for path in MAPPED:
        found = read_values(document, path)
        yield from _compare(path, found, expected.get(path))


def check_group(document: JsonObject, display_name: str, external_id: str) -> Iterator[Problem]:
    """Compare a group's own attributes with what they must be."""
    yield from _compare("displayName", read_values(document, "displayName"), display_name)
    yield from _compare(EXTERNAL_ID, read_values(document, EXTERNAL_ID), external_id or None)


def _compare(path: str, found: list[Any], expected: Value | None) -> Iterator[Problem]:
    if expected is None:
        if found:
            yield Problem(path, f"{path} is {shown(found[0])}, expected no value")
    elif not found:
        yield Problem(path, f"{path} is missing, expected {shown(expected)}")
    elif len(found) > 1:
        yield Problem(path, f"{path} has {len(found)} values, expected one: {shown(expected)}")
    elif found[0] != expected or type(found[0]) is not type(expected):
        yield Problem(path, f"{path} is {shown(found[0])}, expected {shown(expected)}")


def check_members(
    document: JsonObject, expected: Collection[str], tolerated: Collection[str] = ()
) -> Iterator[Problem]:
    """Compare a group's members, each there once, with the ids that must be there.

    Args:
        document: The group.
        expected: Ids that must be there.
        tolerated: Ids that may be there: no RFC says that a deleted user leaves its groups.
    """
    members = document.get("members") or []
    if not (isinstance(members, list) and all(isinstance(member, dict) for member in members)):
        yield Problem("members", "members is no list of objects")
        return
    found = [str(member.get("value")) for member in members]
    lost, extra = set(expected) - set(found), set(found) - set(expected) - set(tolerated)
    for text, ids in (("lost", lost), ("not removed", extra)):
        if ids:
            yield Problem(
                f"members {text}", f"{len(ids)} of {len(expected)} members {text}, {min(ids)} is one"
            )
    if len(found) != len(set(found)):
        yield Problem("members twice", f"{len(found) - len(set(found))} members are listed more than once")


def check_no_members(document: JsonObject) -> Iterator[Problem]:
    """Check that ``excludedAttributes=members`` is honoured: Entra reads groups of any size that way."""
    if document.get("members"):
        yield Problem(
            "excludedAttributes", "members are returned although excludedAttributes=members was asked"
        )


def check_list(
    answer: Answer, *, start_index: int | None = None, count: int | None = None
) -> Iterator[Problem]:
    """Check a ListResponse (RFC 7644 §3.4.2): integers, a list, and as many resources as it says.

    Args:
        answer: The answer.
        start_index: What was asked, if it was; must come back.
        count: What was asked, if it was; no more may come.
    """
    body = answer.document
    if LIST_RESPONSE not in _strings(body.get("schemas")):
        yield Problem("schemas", f"schemas is {shown(body.get('schemas'))}, not [{LIST_RESPONSE}]")
    for name in ("totalResults", "startIndex", "itemsPerPage"):
        if type(body.get(name)) is not int:
            yield Problem(name, f"{name} is {shown(body.get(name))}, expected an integer")
    resources = body.get("Resources")
    if not isinstance(resources, list) or not all(isinstance(item, dict) for item in resources):
        yield Problem("Resources", f"Resources is {shown(resources)}, expected a list of objects")
        return
    if body.get("itemsPerPage") != len(resources):
        yield Problem(
            "itemsPerPage",
            f"itemsPerPage is {shown(body.get('itemsPerPage'))} for {len(resources)} resources",
        )
    if isinstance(body.get("totalResults"), int) and body["totalResults"] < len(resources):
        yield Problem(
            "totalResults", f"totalResults is {body['totalResults']} for {len(resources)} resources"
        )
    if start_index is not None and resources and body.get("startIndex") != start_index:
        yield Problem("startIndex", f"startIndex is {shown(body.get('startIndex'))}, asked was {start_index}")
    if count is not None and len(resources) > count:
        yield Problem("count", f"{len(resources)} resources on a page of {count}")


def check_found(answer: Answer, expected: Collection[str]) -> Iterator[Problem]:
    """Check that a query found exactly these ids."""
    found = [str(resource.get("id")) for resource in resources_of(answer)]
    if sorted(found) != sorted(expected):
        yield Problem("found", f"found {_ids(found)}, expected {_ids(expected)}")
    elif answer.document.get("totalResults") != len(found):
        yield Problem(
            "totalResults",
            f"totalResults is {shown(answer.document.get('totalResults'))}, found {len(found)}",
        )


def resources_of(answer: Answer) -> list[JsonObject]:
    """Return the resources of a ListResponse; none where it is no such thing."""
    resources = answer.document.get("Resources")
    return [item for item in resources if isinstance(item, dict)] if isinstance(resources, list) else []


def shown(value: Any) -> str:
    """Return a value as one short line."""
    text = "missing" if value is None else repr(value)
    return text if len(text) <= SHOWN_CHARACTERS_MAX else text[: SHOWN_CHARACTERS_MAX - 1] + "…"


def _ids(ids: Collection[str]) -> str:
    return shown(next(iter(ids))) if len(ids) == 1 else f"{len(ids)} resources" if ids else "nothing"


def _strings(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _instant(value: Any) -> datetime | None:
    """Return a dateTime (RFC 7643 §2.3.5), in UTC where it has no offset; None where it is none."""
    if not isinstance(value, str):
        return None
    try:
        instant = datetime.fromisoformat(value)
    except ValueError:
        return None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
