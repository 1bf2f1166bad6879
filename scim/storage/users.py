"""Users: a primary row, a full copy under the folded ``userName``, and index rows; all written or none.

Creating the copy's row is what makes a ``userName`` unique: of two writers one gets 409 at exactly that
change.
"""

from scim2_models import InvalidValueException, NotFoundException, UniquenessException

from scim.documents import Document, JsonObject, ResourceName, WriteConflict
from scim.storage import keys, rows
from scim.storage.deletion import delete_resource
from scim.storage.edm import Entity
from scim.storage.errors import TransactionRejected
from scim.storage.journal import JournalKind
from scim.storage.partition import (
    IndexRows,
    Partition,
    changed_attributes,
    compose,
    index_changes,
    is_resource_id,
    operation_of,
    own_attributes,
    render_operation_time,
    render_version,
    stored_content,
    with_version,
)
from scim.storage.table_client import Change, ChangeKind

# Each address has an index row, and all rows of a user change in one transaction of 100. Exchanging 40
# addresses for 40 others, with name and external id, takes 86.
EMAILS_MAX = 40

_PRIMARY = 0
_COPY = 1


def to_document(entity: Entity) -> Document:
    """Return the user that a primary row holds."""
    content = rows.unpack(entity)
    content["meta"]["version"] = render_version(entity["op"])
    return Document(ResourceName.USER, content, entity["ver"], entity["etag"])


def copy_to_document(copy: Entity) -> Document:
    """Return the user that a full copy holds; nothing can be written with it, its ETag is another row's."""
    return to_document({**copy, "etag": ""})


async def read(partition: Partition, user_id: str) -> Document:
    """Return a user: one request.

    Raises:
        NotFoundException: There is none.
    """
    entity = await partition.get(keys.user(user_id)) if is_resource_id(user_id) else None
    if entity is None:
        raise not_found(user_id)
    return to_document(entity)


def not_found(user_id: str) -> NotFoundException:
    """Return the error for a user that is not there."""
    return NotFoundException(detail=f"User {user_id!r} not found")


async def create(partition: Partition, content: JsonObject) -> Document:
    """Store a new user: one request.

    Raises:
        UniquenessException: The ``userName`` is taken.
        InvalidValueException: No ``userName``, or too many addresses.
    """
    attributes = own_attributes(content)
    user_name = get_user_name(attributes)
    user_id, operation = partition.new_id(), partition.clock.next()
    now = render_operation_time(operation)
    stored = stored_content(ResourceName.USER, user_id, attributes, now, now)
    row = rows.user_properties(stored, operation, 1)
    changes = [
        Change(ChangeKind.CREATE, keys.user(user_id), row),
        Change(ChangeKind.CREATE, keys.user_name(user_name), rows.user_name_properties(row, user_id)),
        *index_changes({}, index_rows(stored)),
        partition.event("user.created", operation, user_id, 1, {"new": stored}),
    ]
    try:
        await partition.commit(operation, changes)
    except TransactionRejected as refusal:
        if (refusal.status, refusal.index) == (409, _COPY):
            raise _taken() from refusal
        raise
    return Document(ResourceName.USER, with_version(stored, render_version(operation)), 1)


async def replace(partition: Partition, current: Document, content: JsonObject) -> Document:
    """Write a user's new state over ``current``: one request, none if nothing changes.

    Raises:
        WriteConflict: ``current`` is not the stored state any more, or came from an index row.
        NotFoundException: The user is gone.
        UniquenessException: The new ``userName`` is another user's.
        InvalidValueException: No ``userName``, or too many addresses.
    """
    if not current.entity_etag:
        raise WriteConflict
    old, attributes = own_attributes(current.content), own_attributes(content)
    if old == attributes:
        return current
    operation, sequence = partition.clock.next(operation_of(current)), current.sequence + 1
    created, now = current.content["meta"]["created"], render_operation_time(operation)
    stored = stored_content(ResourceName.USER, current.id, attributes, created, now)
    was, will_be = keys.user_name(get_user_name(old)), keys.user_name(get_user_name(attributes))
    row = rows.user_properties(stored, operation, sequence)
    copy = rows.user_name_properties(row, current.id)
    changes = [Change(ChangeKind.REPLACE, keys.user(current.id), row, current.entity_etag)]
    if was == will_be:
        changes.append(Change(ChangeKind.UPSERT, will_be, copy))
    else:
        changes += [Change(ChangeKind.CREATE, will_be, copy), Change(ChangeKind.DELETE, was)]
    changes += index_changes(index_rows(current.content), index_rows(stored))
    before, after = changed_attributes(old, attributes)
    changes.append(
        partition.event("user.updated", operation, current.id, sequence, {"old": before, "new": after})
    )
    try:
        await partition.commit(operation, changes)
    except TransactionRejected as refusal:
        if (refusal.status, refusal.index) == (409, _COPY):
            raise _taken() from refusal
        raise _refused(refusal, current) from refusal
    return Document(ResourceName.USER, with_version(stored, render_version(operation)), sequence)


async def delete(partition: Partition, current: Document) -> None:
    """Delete a user with its index rows and memberships.

    Two steps: its reverse rows are read, then all goes in one transaction; or, where it is in more groups
    than fit, the user goes and a journal removes the memberships.

    Raises:
        WriteConflict: ``current`` is not the stored state any more.
        NotFoundException: The user is gone.
    """
    if not current.entity_etag:
        raise WriteConflict
    operation, sequence = partition.clock.next(operation_of(current)), current.sequence + 1
    changes = [
        Change(ChangeKind.DELETE, keys.user(current.id), etag=current.entity_etag),
        Change(ChangeKind.DELETE, keys.user_name(get_user_name(current.content))),
        *index_changes(index_rows(current.content), {}),
        partition.event("user.deleted", operation, current.id, sequence, {"old": current.content}),
    ]
    try:
        await delete_resource(partition, JournalKind.USER, current.id, operation, changes)
    except TransactionRejected as refusal:
        raise _refused(refusal, current) from refusal


def index_rows(content: JsonObject) -> IndexRows:
    """Return a user's index rows by their keys.

    Raises:
        InvalidValueException: More addresses than one transaction can index.
    """
    user_id = content["id"]
    row = rows.index_properties(user_id)
    found: IndexRows = {}
    if isinstance(content.get("externalId"), str):
        found[keys.external_id(compose(content["externalId"]), user_id)] = row
    addresses = emails_of(content)
    if len(addresses) > EMAILS_MAX:
        raise InvalidValueException(detail=f"A user can have {EMAILS_MAX} emails, not {len(addresses)}")
    return found | {keys.email(address, user_id): row for address in addresses}


def emails_of(content: JsonObject) -> list[str]:
    """Return a user's e-mail addresses."""
    values = [email.get("value") for email in content.get("emails") or () if isinstance(email, dict)]
    return [value for value in values if isinstance(value, str)]


def get_user_name(content: JsonObject) -> str:
    """Return the ``userName`` (RFC 7643 §4.1.1: required).

    Raises:
        InvalidValueException: There is none.
    """
    user_name = content.get("userName")
    if not isinstance(user_name, str):
        raise InvalidValueException(detail="userName is required")
    return user_name


def _taken() -> UniquenessException:
    return UniquenessException(detail="userName is already taken")


def _refused(refusal: TransactionRejected, current: Document) -> Exception:
    """Say what a refused change of a user's rows means: it is gone, or someone else wrote it."""
    if (refusal.status, refusal.index) == (404, _PRIMARY):
        return not_found(current.id)
    return WriteConflict()
