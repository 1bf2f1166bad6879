r"""The attributes that are provisioned, each under the path that Entra's attribute mapping gives it.

A simulated user is a flat mapping ``path → value``. Four kinds of paths occur:

- plain: ``title``
- dotted: ``name.givenName``
- filtered: ``phoneNumbers[type eq "mobile"].value``, ``roles[primary eq "True"].value``
- extension: ``urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department``

Pure.
"""

import re
from collections.abc import Mapping
from typing import Any

type JsonObject = dict[str, Any]
type Value = str | bool
type Attributes = Mapping[str, Value]

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

USER_NAME = "userName"
EXTERNAL_ID = "externalId"
ACTIVE = "active"
DISPLAY_NAME = "displayName"
TITLE = "title"
LANGUAGE = "preferredLanguage"
GIVEN_NAME = "name.givenName"
FAMILY_NAME = "name.familyName"
FORMATTED_NAME = "name.formatted"
WORK_EMAIL = 'emails[type eq "work"].value'
WORK_PHONE = 'phoneNumbers[type eq "work"].value'
MOBILE_PHONE = 'phoneNumbers[type eq "mobile"].value'
FAX = 'phoneNumbers[type eq "fax"].value'
FORMATTED_ADDRESS = 'addresses[type eq "work"].formatted'
STREET = 'addresses[type eq "work"].streetAddress'
LOCALITY = 'addresses[type eq "work"].locality'
REGION = 'addresses[type eq "work"].region'
POSTAL_CODE = 'addresses[type eq "work"].postalCode'
COUNTRY = 'addresses[type eq "work"].country'
ROLE = 'roles[primary eq "True"].value'
EMPLOYEE_NUMBER = f"{ENTERPRISE}:employeeNumber"
DEPARTMENT = f"{ENTERPRISE}:department"
MANAGER = f"{ENTERPRISE}:manager"

# Every path that the simulator may write: those that a user has no value for must be empty on the server too.
MAPPED = (
    USER_NAME,
    EXTERNAL_ID,
    ACTIVE,
    DISPLAY_NAME,
    TITLE,
    LANGUAGE,
    GIVEN_NAME,
    FAMILY_NAME,
    FORMATTED_NAME,
    WORK_EMAIL,
    WORK_PHONE,
    MOBILE_PHONE,
    FAX,
    FORMATTED_ADDRESS,
    STREET,
    LOCALITY,
    REGION,
    POSTAL_CODE,
    COUNTRY,
    ROLE,
    EMPLOYEE_NUMBER,
    DEPARTMENT,
    MANAGER,
)

_FILTERED = re.compile(r'(?P<name>\w+)\[(?P<key>\w+) eq "(?P<match>[^"]+)"\]\.(?P<sub>\w+)')


def is_filtered(path: str) -> bool:
    """Whether a path selects an element of a multi-valued attribute."""
    return "[" in path


def nest(attributes: Attributes) -> JsonObject:
    """Write flat attributes as the resource that RFC 7643 describes, without ``schemas``.

    The work e-mail is marked primary, as both identity providers do.
    """
    document: JsonObject = {}
    for path, value in attributes.items():
        filtered = _FILTERED.fullmatch(path)
        if filtered:
            _put_element(document, filtered, value)
        elif path == MANAGER:
            document.setdefault(ENTERPRISE, {})["manager"] = {"value": value}
        elif path.startswith("urn:"):
            document.setdefault(ENTERPRISE, {})[path.rpartition(":")[2]] = value
        elif "." in path:
            name, _, sub = path.partition(".")
            document.setdefault(name, {})[sub] = value
        else:
            document[path] = value
    return document


def read_values(document: JsonObject, path: str) -> list[Any]:
    """Return what a resource holds under a path: nothing, one value, or more where it must not.

    ``null``, ``""`` and empty lists are no values (RFC 7643 §2.5).
    """
    filtered = _FILTERED.fullmatch(path)
    if filtered:
        found = [element.get(filtered["sub"]) for element in _find_elements(document, filtered)]
    elif path.startswith("urn:"):
        found = [_get(document.get(ENTERPRISE), path.rpartition(":")[2])]
    else:
        name, _, sub = path.partition(".")
        found = [_get(document.get(name), sub) if sub else document.get(name)]
    if path == MANAGER:
        found = [_manager_id(value) for value in found]
    return [value for value in found if value not in (None, "", [])]


def _put_element(document: JsonObject, filtered: re.Match[str], value: Value) -> None:
    """Set a sub-attribute of the element that a filtered path selects, which is made if missing."""
    elements = document.setdefault(filtered["name"], [])
    selector = {filtered["key"]: True if filtered["match"] == "True" else filtered["match"]}
    for element in elements:
        if element.items() >= selector.items():
            element[filtered["sub"]] = value
            return
    primary = {"primary": True} if filtered["name"] == "emails" else {}
    elements.append({**selector, **primary, filtered["sub"]: value})


def _find_elements(document: JsonObject, filtered: re.Match[str]) -> list[JsonObject]:
    """Return the elements that a filtered path selects; type values compare without regard to case."""
    elements = document.get(filtered["name"])
    if not isinstance(elements, list):
        return []
    match = filtered["match"].casefold()
    return [
        element
        for element in elements
        if isinstance(element, dict) and str(element.get(filtered["key"])).casefold() == match
    ]


def _get(container: Any, name: str) -> Any:
    return container.get(name) if isinstance(container, dict) else None


def _manager_id(value: Any) -> Any:
    """Return the id inside a manager. A manager that is no object stays as it is, and so never agrees.

    A bare string makes Entra reject the whole resource, so it must not pass for the id.
    """
    if isinstance(value, dict):
        return value.get("value")
    return value if value in (None, "") else [value]
