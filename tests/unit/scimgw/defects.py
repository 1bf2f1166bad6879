"""Servers that are wrong in one way each, and what the simulator must say about it."""

import json
import uuid
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from tests.unit.scimgw.scim_server import ERROR, MANAGER, TOKEN, Defect, Exchange, Serve

LEGACY, COMPLIANT, OKTA = "legacy", "aadOptscim062020", "okta"
ENTRA = (LEGACY, COMPLIANT)
# What every cycle meets is tried with one of them, in turn.
TURNS = (LEGACY, OKTA)
ENTERPRISE = MANAGER.rpartition(":")[0]


@dataclass(frozen=True)
class Seeded:
    """A defect, the dialects that can meet it, and a part of the line that tells of it."""

    name: str
    make: Callable[[], Defect]
    dialects: tuple[str, ...]
    told: str


SEEDED: list[Seeded] = []


def seeded(told: str, *dialects: str) -> Callable[[Callable[[], Defect]], Callable[[], Defect]]:
    def register(make: Callable[[], Defect]) -> Callable[[], Defect]:
        SEEDED.append(Seeded(make.__name__, make, dialects or (TURNS[len(SEEDED) % 2],), told))
        return make

    return register


def on_request(spoil: Callable[[Exchange], None]) -> Defect:
    """Spoil every request before the server sees it."""

    def defect(serve: Serve) -> Serve:
        async def spoiled(exchange: Exchange) -> None:
            spoil(exchange)
            await serve(exchange)

        return spoiled

    return defect


def on_answer(spoil: Callable[[Exchange], None]) -> Defect:
    """Spoil every answer after the server has made it."""

    def defect(serve: Serve) -> Serve:
        async def spoiled(exchange: Exchange) -> None:
            await serve(exchange)
            exchange.answer = deepcopy(exchange.answer)
            spoil(exchange)

        return spoiled

    return defect


def in_place(answer: Callable[[Exchange], bool]) -> Defect:
    """Answer some requests without the server's seeing them."""

    def defect(serve: Serve) -> Serve:
        async def spoiled(exchange: Exchange) -> None:
            if not answer(exchange):
                await serve(exchange)

        return spoiled

    return defect


def is_user(resource: dict[str, Any]) -> bool:
    return resource.get("meta", {}).get("resourceType") == "User"


def each_user(spoil: Callable[[dict[str, Any]], Any]) -> Defect:
    def spoil_all(exchange: Exchange) -> None:
        for resource in exchange.resources:
            if is_user(resource):
                spoil(resource)

    return on_answer(spoil_all)


def filter_value(exchange: Exchange) -> str:
    """Return the literal of a filter with one comparison."""
    text = exchange.query.get("filter", "")
    return json.loads(text.partition(" eq ")[2]) if text.startswith(("userName eq", "displayName eq")) else ""


def keep(exchange: Exchange, resources: list[dict[str, Any]]) -> None:
    exchange.answer |= {
        "Resources": resources,
        "totalResults": len(resources),
        "itemsPerPage": len(resources),
    }


# -- what is stored ------------------------------------------------------


@seeded("members lost")
def loses_a_member() -> Defect:
    def spoil(exchange: Exchange) -> None:
        for operation in exchange.operations:
            if operation["op"].lower() != "remove" and operation.get("path") == "members":
                operation["value"] = operation["value"][:-1]

    return on_request(spoil)


@seeded("members not removed")
def keeps_members() -> Defect:
    def answer(exchange: Exchange) -> bool:
        removes = [
            o for o in exchange.operations if o["op"].lower() == "remove" and "members" in str(o.get("path"))
        ]
        if removes:
            exchange.body["Operations"] = [o for o in exchange.operations if o not in removes]
        if removes and not exchange.body["Operations"]:
            exchange.respond(204)
            return True
        return False

    return in_place(answer)


@seeded("members lost")
def removes_everyone_with_one() -> Defect:
    def spoil(exchange: Exchange) -> None:
        for operation in exchange.operations:
            if operation["op"].lower() == "remove" and "members" in str(operation.get("path")):
                operation.pop("value", None)
                operation["path"] = "members"

    return on_request(spoil)


@seeded("members lost")
def rename_drops_members() -> Defect:
    def spoil(exchange: Exchange) -> None:
        if "displayName" in json.dumps(exchange.operations) and "/Groups/" in exchange.path:
            exchange.body["Operations"].append({"op": "remove", "path": "members"})

    return on_request(spoil)


@seeded("listed more than once")
def lists_members_twice() -> Defect:
    def spoil(exchange: Exchange) -> None:
        for resource in exchange.resources:
            resource.get("members", []).extend(resource.get("members", [])[:1])

    return on_answer(spoil)


def set_active(exchange: Exchange) -> None:
    for operation in exchange.operations:
        if operation.get("path") == "active":
            operation["value"] = "True"
        elif isinstance(operation.get("value"), dict) and "active" in operation["value"]:
            operation["value"]["active"] = True


@seeded("active is True, expected False")
def ignores_disabling() -> Defect:
    return on_request(set_active)


@seeded("active is 'True', expected True")
def writes_booleans_as_text() -> Defect:
    return each_user(lambda user: user.update(active=str(user["active"])))


@seeded("expected")
def hides_disabled_users_from_queries() -> Defect:
    def spoil(exchange: Exchange) -> None:
        if filter_value(exchange):
            keep(exchange, [r for r in exchange.resources if r.get("active") is not False])

    return on_answer(spoil)


@seeded("expected")
def hides_disabled_users_altogether() -> Defect:
    def spoil(exchange: Exchange) -> None:
        if (
            exchange.method == "GET"
            and "/Users/" in exchange.path
            and not (exchange.answer or {}).get("active", 1)
        ):
            exchange.respond(404, {"schemas": [ERROR], "status": "404", "detail": "gone"})

    return on_answer(spoil)


@seeded("manager is missing", LEGACY)
def swallows_the_manager() -> Defect:
    def answer(exchange: Exchange) -> bool:
        if any(operation.get("path") == MANAGER for operation in exchange.operations):
            exchange.respond(204)
            return True
        return False

    return in_place(answer)


@seeded("manager is", LEGACY)
def returns_the_manager_as_text() -> Defect:
    def spoil(user: dict[str, Any]) -> None:
        extension = user.get(ENTERPRISE, {})
        if "manager" in extension:
            extension["manager"] = extension["manager"]["value"]

    return each_user(spoil)


@seeded("expected no value", *ENTRA)
def never_clears_the_manager() -> Defect:
    def answer(exchange: Exchange) -> bool:
        if any(o.get("path") == MANAGER and o.get("value") == "" for o in exchange.operations):
            exchange.respond(204)
            return True
        return False

    return in_place(answer)


@seeded('phoneNumbers[type eq "mobile"].value is missing')
def drops_mobile_phones() -> Defect:
    def spoil(exchange: Exchange) -> None:
        if isinstance(exchange.body, dict) and "phoneNumbers" in exchange.body:
            phones = exchange.body["phoneNumbers"]
            exchange.body["phoneNumbers"] = [phone for phone in phones if phone["type"] != "mobile"]

    return on_request(spoil)


@seeded("phoneNumbers")
def reformats_phone_numbers() -> Defect:
    def spoil(user: dict[str, Any]) -> None:
        for phone in user.get("phoneNumbers", []):
            phone["value"] = "".join(c for c in phone["value"] if c.isdigit())

    return each_user(spoil)


@seeded("displayName is")
def folds_accents() -> Defect:
    def spoil(user: dict[str, Any]) -> None:
        user["displayName"] = user["displayName"].encode("ascii", "replace").decode()

    return each_user(spoil)


@seeded("userName is")
def writes_names_in_lower_case() -> Defect:
    return each_user(lambda user: user.update(userName=user["userName"].lower()))


@seeded("expected no value", *ENTRA)
def keeps_cleared_attributes() -> Defect:
    def answer(exchange: Exchange) -> bool:
        cleared = [
            o for o in exchange.operations if o["op"].lower() == "remove" and "members" not in o["path"]
        ]
        if cleared:
            exchange.respond(204)
        return bool(cleared)

    return in_place(answer)


@seeded("expected", *ENTRA)
def applies_the_first_operation_only() -> Defect:
    def spoil(exchange: Exchange) -> None:
        if exchange.operations:
            exchange.body["Operations"] = exchange.operations[:1]

    return on_request(spoil)


@seeded("is missing", *ENTRA)
def a_filtered_path_replaces_the_whole_attribute() -> Defect:
    def spoil(exchange: Exchange) -> None:
        for operation in exchange.operations:
            if str(operation.get("path")).startswith("phoneNumbers[type"):
                kind = operation["path"].split('"')[1]
                number = {"type": kind, "value": operation.pop("value", "")}
                operation.update(op="replace", path="phoneNumbers", value=[number])

    return on_request(spoil)


@seeded("is missing", *ENTRA)
def a_filtered_path_creates_nothing() -> Defect:
    def answer(exchange: Exchange) -> bool:
        if any(o["op"].lower() == "add" and "[" in str(o.get("path")) for o in exchange.operations):
            exchange.respond(204)
            return True
        return False

    return in_place(answer)


@seeded("name.familyName is", COMPLIANT)
def ignores_dotted_keys() -> Defect:
    def spoil(exchange: Exchange) -> None:
        for operation in exchange.operations:
            if isinstance(operation.get("value"), dict):
                for key in [key for key in operation["value"] if key.startswith("name.")]:
                    del operation["value"][key]

    return on_request(spoil)


@seeded("department is", COMPLIANT)
def ignores_extension_keys() -> Defect:
    def spoil(exchange: Exchange) -> None:
        for operation in exchange.operations:
            if isinstance(operation.get("value"), dict):
                for key in [key for key in operation["value"] if key.endswith(":department")]:
                    del operation["value"][key]

    return on_request(spoil)


@seeded("has 2 values")
def doubles_work_mails() -> Defect:
    def spoil(user: dict[str, Any]) -> None:
        user["emails"] += user["emails"]

    return each_user(spoil)


@seeded("members lost", OKTA)
def a_put_ends_memberships() -> Defect:
    groups: list[str] = []

    def defect(serve: Serve) -> Serve:
        async def spoiled(exchange: Exchange) -> None:
            await serve(exchange)
            if exchange.method == "POST" and exchange.path.endswith("/Groups"):
                groups.append(f"{exchange.path}/{exchange.answer['id']}")
            if exchange.method == "PUT" and "/Users/" in exchange.path:
                path = f'members[value eq "{exchange.answer["id"]}"]'
                body = {
                    "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
                    "Operations": [{"op": "remove", "path": path}],
                }
                for group in groups:
                    json_header = {"Content-Type": "application/json"}
                    await serve(Exchange("PATCH", group, {}, json_header, deepcopy(body)))

        return spoiled

    return defect


@seeded("is missing", OKTA)
def a_put_clears_the_extension() -> Defect:
    def spoil(exchange: Exchange) -> None:
        if exchange.method == "PUT":
            exchange.body.pop(ENTERPRISE, None)

    return on_request(spoil)


# -- deleting ------------------------------------------------------------


@seeded("expected 404")
def forgets_deletions() -> Defect:
    def answer(exchange: Exchange) -> bool:
        if exchange.method == "DELETE":
            exchange.respond(204)
        return exchange.method == "DELETE"

    return in_place(answer)


@seeded("expected 204")
def deletes_with_200() -> Defect:
    def spoil(exchange: Exchange) -> None:
        if exchange.method == "DELETE" and exchange.status == 204:
            exchange.respond(200, {})

    return on_answer(spoil)


@seeded("expected nothing", LEGACY)
def finds_deleted_users() -> Defect:
    deleted: dict[str, dict[str, Any]] = {}

    def defect(serve: Serve) -> Serve:
        async def spoiled(exchange: Exchange) -> None:
            before = Exchange("GET", exchange.path, {}, {}, None)
            if exchange.method == "DELETE":
                await serve(before)
            await serve(exchange)
            if exchange.method == "DELETE" and is_user(before.answer):
                deleted[before.answer["userName"]] = before.answer
            elif filter_value(exchange) in deleted and not exchange.resources:
                keep(exchange, [deleted[filter_value(exchange)]])

        return spoiled

    return defect


@seeded("expected 404", LEGACY)
def deletes_twice() -> Defect:
    def spoil(exchange: Exchange) -> None:
        if exchange.method == "DELETE":
            exchange.respond(204)

    return on_answer(spoil)


@seeded("given out again", LEGACY)
def gives_ids_out_again() -> Defect:
    names: dict[str, str] = {}

    def spoil(exchange: Exchange) -> None:
        if exchange.method == "POST" and exchange.status == 201 and is_user(exchange.answer):
            first = names.setdefault(exchange.answer["userName"], exchange.answer["id"])
            exchange.answer["id"] = first

    return on_answer(spoil)


# -- looking up ----------------------------------------------------------


@seeded("expected")
def compares_user_names_with_case() -> Defect:
    def spoil(exchange: Exchange) -> None:
        name = filter_value(exchange)
        if name and any(is_user(resource) for resource in exchange.resources):
            keep(exchange, [resource for resource in exchange.resources if resource["userName"] == name])

    return on_answer(spoil)


@seeded("expected 409")
def takes_names_twice() -> Defect:
    def spoil(exchange: Exchange) -> None:
        if exchange.status == 409:
            meta = {
                "resourceType": "User",
                "created": "2026-01-01T00:00:00Z",
                "lastModified": "2026-01-01T00:00:00Z",
            }
            exchange.respond(201, exchange.body | {"id": uuid.uuid4().hex, "meta": meta})

    return on_answer(spoil)


@seeded("scimType")
def refuses_names_without_a_reason() -> Defect:
    def spoil(exchange: Exchange) -> None:
        if exchange.status == 409:
            exchange.answer.pop("scimType", None)

    return on_answer(spoil)


@seeded("expected nothing")
def finds_former_names() -> Defect:
    names: dict[str, str] = {}

    def spoil(exchange: Exchange) -> None:
        if exchange.method == "POST" and exchange.status == 201 and is_user(exchange.answer):
            names[exchange.answer["userName"]] = exchange.answer["id"]
        name = filter_value(exchange)
        if name in names and not exchange.resources:
            keep(exchange, [{"id": names[name]}])

    return on_answer(spoil)


@seeded("found nothing")
def finds_first_names_only() -> Defect:
    names: set[str] = set()

    def spoil(exchange: Exchange) -> None:
        if exchange.method == "POST" and exchange.status == 201 and is_user(exchange.answer):
            names.add(exchange.answer["userName"].casefold())
        name = filter_value(exchange)
        if name and exchange.path.endswith("/Users") and name.casefold() not in names:
            keep(exchange, [])

    return on_answer(spoil)


@seeded("expected 200", LEGACY)
def answers_404_when_nothing_is_found() -> Defect:
    def spoil(exchange: Exchange) -> None:
        if filter_value(exchange) and not exchange.resources:
            exchange.respond(404, {"schemas": [ERROR], "status": "404", "detail": "no such user"})

    return on_answer(spoil)


@seeded("found")
def a_broken_filter_finds_everybody() -> Defect:
    def spoil(exchange: Exchange) -> None:
        if exchange.path.endswith("/Users"):
            exchange.query.pop("filter", None)

    return on_request(spoil)


@seeded("expected nothing", LEGACY)
def says_that_every_reference_is_set() -> Defect:
    def spoil(exchange: Exchange) -> None:
        exchange.query["filter"] = exchange.query.get("filter", "").partition(" and ")[0]
        if not exchange.query["filter"]:
            del exchange.query["filter"]

    return on_request(spoil)


@seeded("excludedAttributes", LEGACY)
def ignores_excluded_attributes() -> Defect:
    return on_request(lambda exchange: exchange.query.pop("excludedAttributes", None) and None)


# -- pages ---------------------------------------------------------------


def cap(exchange: Exchange) -> None:
    """Make pages of five, as a server may."""
    if "count" in exchange.query:
        exchange.query["count"] = str(min(5, int(exchange.query["count"])))


@seeded("startIndex is 1")
def pages_never_move_on() -> Defect:
    def spoil(exchange: Exchange) -> None:
        cap(exchange)
        if "startIndex" in exchange.query:
            exchange.query["startIndex"] = "1"

    return on_request(spoil)


@seeded("is on no page")
def cuts_lists_silently() -> Defect:
    def spoil(exchange: Exchange) -> None:
        if "startIndex" in exchange.query and "filter" not in exchange.query:
            keep(exchange, exchange.resources[:5])

    return on_answer(spoil)


@seeded("totalResults of /Users differs from page to page")
def counts_what_is_not_there() -> Defect:
    def spoil(exchange: Exchange) -> None:
        if exchange.resources and exchange.query.get("startIndex") and "filter" not in exchange.query:
            exchange.answer["totalResults"] += 1

    return on_answer(spoil)


@seeded("the pages of /Users hold")
def counts_one_more_on_every_page() -> Defect:
    def spoil(exchange: Exchange) -> None:
        if exchange.query.get("startIndex") and "filter" not in exchange.query:
            exchange.answer["totalResults"] += 1

    return on_answer(spoil)


@seeded("more than one page")
def pages_overlap() -> Defect:
    def spoil(exchange: Exchange) -> None:
        cap(exchange)
        start = int(exchange.query.get("startIndex", "1"))
        if start > 1:
            exchange.query["startIndex"] = str(start - 1)

    def hide(exchange: Exchange) -> None:
        if isinstance(exchange.answer, dict) and exchange.answer.get("startIndex", 1) > 1:
            exchange.answer["startIndex"] += 1

    return lambda serve: on_request(spoil)(on_answer(hide)(serve))


@seeded("in another order", OKTA)
def orders_pages_by_their_size() -> Defect:
    def spoil(exchange: Exchange) -> None:
        if exchange.query.get("count") == "37":
            exchange.answer["Resources"] = exchange.resources[::-1]

    return on_answer(spoil)


@seeded("itemsPerPage")
def writes_numbers_as_text() -> Defect:
    def spoil(exchange: Exchange) -> None:
        if isinstance(exchange.answer, dict) and "itemsPerPage" in exchange.answer:
            exchange.answer["itemsPerPage"] = str(exchange.answer["itemsPerPage"])

    return on_answer(spoil)


@seeded("Resources is missing")
def leaves_empty_lists_out() -> Defect:
    def spoil(exchange: Exchange) -> None:
        if isinstance(exchange.answer, dict) and exchange.answer.get("Resources") == []:
            del exchange.answer["Resources"]

    return on_answer(spoil)


# -- answers -------------------------------------------------------------


@seeded("the error's status is 404")
def writes_the_error_status_as_a_number() -> Defect:
    def spoil(exchange: Exchange) -> None:
        if exchange.status >= 400:
            exchange.answer["status"] = exchange.status

    return on_answer(spoil)


@seeded("no detail")
def explains_no_error() -> Defect:
    def spoil(exchange: Exchange) -> None:
        if exchange.status >= 400:
            exchange.answer.pop("detail", None)

    return on_answer(spoil)


@seeded("the body is no JSON")
def answers_errors_in_html() -> Defect:
    def spoil(exchange: Exchange) -> None:
        if exchange.status == 404:
            exchange.answer = "Not Found"

    return on_answer(spoil)


@seeded("Content-Type is application/json")
def labels_answers_as_json() -> Defect:
    def spoil(exchange: Exchange) -> None:
        if exchange.answer is not None:
            exchange.answer_headers["Content-Type"] = "application/json"

    return on_answer(spoil)


@seeded("status is 200, expected 201")
def creates_with_200() -> Defect:
    def spoil(exchange: Exchange) -> None:
        if exchange.status == 201:
            exchange.status = 200

    return on_answer(spoil)


@seeded("201 without a Location header")
def forgets_the_location() -> Defect:
    return on_answer(lambda exchange: exchange.answer_headers.pop("Location", None) and None)


@seeded("meta.location")
def writes_relative_locations() -> Defect:
    def spoil(exchange: Exchange) -> None:
        for resource in exchange.resources:
            if "location" in resource.get("meta", {}):
                resource["meta"]["location"] = "/" + resource["meta"]["location"].split("/", 3)[3]
                exchange.answer_headers["Location"] = resource["meta"]["location"]

    return on_answer(spoil)


@seeded("201 with an empty body")
def creates_with_an_empty_body() -> Defect:
    def spoil(exchange: Exchange) -> None:
        if exchange.status == 201:
            exchange.answer = None

    return on_answer(spoil)


@seeded("id is")
def writes_ids_as_numbers() -> Defect:
    return each_user(lambda user: user.update(id=int(user["id"][:8], 16)))


@seeded("id is")
def answers_with_another_id() -> Defect:
    def spoil(exchange: Exchange) -> None:
        if exchange.method == "GET" and "/Users/" in exchange.path and exchange.status == 200:
            exchange.answer["id"] = exchange.answer["id"][::-1]

    return on_answer(spoil)


@seeded("meta.created was")
def moves_the_creation_date() -> Defect:
    return each_user(
        lambda user: (
            user["meta"].update(created="2020-01-01T00:00:00Z")
            if user.get("title", "").startswith("Lead")
            else None
        )
    )


@seeded("schemas lacks")
def forgets_the_extensions_schema() -> Defect:
    def spoil(user: dict[str, Any]) -> None:
        user["schemas"] = [urn for urn in user["schemas"] if urn != ENTERPRISE]

    return each_user(spoil)


@seeded("the password is returned", OKTA)
def returns_passwords() -> Defect:
    return each_user(lambda user: user.update(password="x"))


@seeded("ETag is")
def sends_a_stale_etag() -> Defect:
    def spoil(exchange: Exchange) -> None:
        if exchange.resources and is_user(exchange.resources[0]):
            exchange.answer_headers["ETag"] = 'W/"0"'

    return on_answer(spoil)


@seeded("expected 'Lead", *ENTRA)
def answers_a_patch_with_the_former_state() -> Defect:
    def defect(serve: Serve) -> Serve:
        async def spoiled(exchange: Exchange) -> None:
            before = Exchange("GET", exchange.path, {}, {}, None)
            if exchange.method == "PATCH" and "/Users/" in exchange.path:
                await serve(before)
            await serve(exchange)
            if before.status == 200 and exchange.status == 204:
                exchange.respond(200, before.answer)

        return spoiled

    return defect


@seeded("expected 401")
def takes_any_token() -> Defect:
    return on_request(lambda exchange: exchange.headers.update(Authorization=f"Bearer {TOKEN}"))


@seeded("without a WWW-Authenticate header")
def forgets_the_challenge() -> Defect:
    return on_answer(lambda exchange: exchange.answer_headers.pop("WWW-Authenticate", None) and None)


@seeded("lacks", LEGACY)
def leaves_attributes_out_of_the_schemas() -> Defect:
    def spoil(exchange: Exchange) -> None:
        if exchange.path.endswith("/Schemas"):
            for schema in exchange.resources:
                schema["attributes"] = schema["attributes"][:3]

    return on_answer(spoil)


@seeded("expected 200")
def fails_now_and_then() -> Defect:
    count = 0

    def answer(exchange: Exchange) -> bool:
        nonlocal count
        count += 1
        if count % 40 == 0:
            exchange.respond(500, {"schemas": [ERROR], "status": "500", "detail": "oops"})
        return count % 40 == 0

    return in_place(answer)
