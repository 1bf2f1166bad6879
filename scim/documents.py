"""What passes between the protocol and the storage: documents, memberships, pages, and the port itself.

A *document* is a resource as RFC 7643 writes it in JSON, less what is not the resource's own to keep:

- ``meta.location`` is added by the protocol, which knows the URL that was asked;
- ``members`` of a group and ``groups`` of a user live in rows of their own, and are asked for by name;
- ``password`` is accepted from the wire and never reaches a document.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from scim2_models import SCIMException

type JsonObject = dict[str, Any]


class ResourceName(StrEnum):
    """The resource types of the directory (RFC 7643 §6), by ``meta.resourceType``."""

    USER = "User"
    GROUP = "Group"


@dataclass(frozen=True, slots=True)
class Document:
    """A stored resource.

    Attributes:
        resource_name: Its resource type.
        content: The resource in JSON: ``schemas``, ``id``, ``meta`` (``resourceType``, ``created``,
            ``lastModified``, ``version``) and the attributes that have values. Owned by the caller: the
            storage never hands the same object out twice.
        sequence: Counts the mutations of this resource, 1 or more.
        entity_etag: Azure's own ETag of the primary row; empty where the document came from an index row,
            from which nothing may be written.
        journal: The operation whose large membership change is still being written; empty at rest.
    """

    resource_name: ResourceName
    content: JsonObject
    sequence: int
    entity_etag: str = ""
    journal: str = ""

    @property
    def id(self) -> str:
        """The service provider's identifier: 32 lower-case hexadecimal digits, never reused."""
        return str(self.content["id"])

    @property
    def version(self) -> str:
        """``meta.version``, sent as the weak ETag (RFC 7644 §3.14)."""
        return str(self.content["meta"]["version"])


@dataclass(frozen=True, slots=True, order=True)
class Member:
    """One direct member of a group (RFC 7643 §4.2).

    Attributes:
        value: The member's ``id``.
        resource_name: What it is. None when the client did not say: a user with that id, or else a group.
    """

    value: str
    resource_name: ResourceName | None = None


@dataclass(frozen=True, slots=True)
class MembershipChange:
    """What a request asks of a group's members, in the order of the members' rows.

    Attributes:
        adds: Members to have afterwards; those already there stay as they are.
        removes: Ids not to have afterwards; those not there are ignored. Disjoint from ``adds``.
        replace_all: Whether every member that is not in ``adds`` goes.
    """

    adds: tuple[Member, ...] = ()
    removes: tuple[str, ...] = ()
    replace_all: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing is asked."""
        return not (self.adds or self.removes or self.replace_all)


class Access(StrEnum):
    """Which rows a search reads. The best one that the filter allows; ``SCAN`` always works."""

    ID = "id"  # point read of `value`
    USER_NAME = "userName"  # point read of the full copy under the folded `value`
    USER_NAME_PREFIX = "userName sw"  # range of full copies
    EXTERNAL_ID = "externalId"  # index range, then points
    EMAIL = "emails.value"  # index range, then points
    DISPLAY_NAME = "displayName"  # groups only: index range, then points
    DISPLAY_NAME_PREFIX = "displayName sw"  # groups only: index range, then points
    MEMBER = "id and members"  # groups only: `value` is the group's id, `other` the member's: two points
    GROUPS_OF = "members"  # groups only: those that `value` is a direct member of
    MEMBERS_OF = "groups"  # users only: the direct members of group `value`
    SCAN = "scan"  # every resource of the type
    NOTHING = "nothing"  # the filter cannot match: no read at all


@dataclass(frozen=True, slots=True)
class Plan:
    """How a search is executed: ``access`` reads a superset, ``predicate`` decides.

    Attributes:
        access: Which rows are read.
        value: What ``access`` compares with.
        other: The second value of ``Access.MEMBER``.
        predicate: The whole filter, evaluated on a document's content; None where ``access`` is exact or no
            filter was given.
        pushed: For ``SCAN``: an OData condition on filter columns, implied by the filter, or "".
    """

    access: Access
    value: str = ""
    other: str = ""
    predicate: Callable[[Mapping[str, Any]], bool] | None = None
    pushed: str = ""


@dataclass(frozen=True, slots=True)
class Slice:
    """Which part of the matches is wanted (RFC 7644 §3.4.2.4, RFC 9865).

    Attributes:
        start_index: 1 or more; counts matches. Unused when ``by_cursor``.
        count: Most documents to return, 0 or more; 0 asks for the total only.
        by_cursor: Whether the client pages by cursor.
        after: The position that the previous page ended with; None on the first page.
        sort_key: Sorts the matches, None for the stable order of ids.
        descending: RFC 7644 §3.4.2.3.
        sort_by_user_name: Whether the order asked is that of folded user names, which needs no collecting.
    """

    start_index: int = 1
    count: int = 100
    by_cursor: bool = False
    after: Any = None
    sort_key: Callable[[Mapping[str, Any]], Any] | None = None
    descending: bool = False
    sort_by_user_name: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """One page of matches.

    Attributes:
        total: ``totalResults``, exact; None only where a cursor pages through a filtered scan.
        documents: In order.
        next: The position to continue at, as JSON can hold it; None on the last page.
    """

    total: int | None
    documents: Sequence[Document] = field(default_factory=tuple)
    next: Any = None


class WriteConflict(Exception):
    """Someone wrote the resource between the read and the write: read again, apply again, write again."""


class Throttled(SCIMException):
    """The storage cannot do it now: its partition is throttled, or it does not answer (becomes 429).

    A write may have been done nevertheless; repeating it is safe.

    Attributes:
        retry_after_seconds: When to try again; sent as ``Retry-After``.
    """

    status = 429
    _default_detail = "The directory is busy, try again later"

    def __init__(self, retry_after_seconds: int = 5) -> None:
        super().__init__()
        self.retry_after_seconds = retry_after_seconds


class Directory(Protocol):
    """The storage port: the directory of one tenant, for the length of one request.

    Every write is one commit: all of it is there or nothing, and it is safe to repeat. Errors are
    scim2-models' exceptions: ``NotFoundException`` (404), ``UniquenessException`` (409),
    ``InvalidValueException`` (400, a member that does not exist), ``TooManyException`` (400),
    ``PayloadTooLargeException`` (413).
    ``tests/contract/directory.py`` says what every implementation must do.
    """

    async def read(self, resource_name: ResourceName, resource_id: str) -> Document:
        """Return a resource without its members or groups: one round trip.

        Raises:
            NotFoundException: No such resource of this type.
        """

    async def read_members(self, group: Document) -> list[Member]:
        """Return all direct members of a group as of one instant, in the order of their ids."""

    async def read_groups(self, user_ids: Sequence[str]) -> dict[str, list[Document]]:
        """Return the groups that each of these users is a direct member of, by user id."""

    async def find(self, resource_name: ResourceName, plan: Plan, part: Slice) -> Page:
        """Search one resource type.

        Raises:
            TooManyException: The filter needs more candidates than a search may read (RFC 7644 §3.12).
        """

    async def create_user(self, content: JsonObject) -> Document:
        """Store a new user. ``id`` and ``meta`` are made here, whatever ``content`` says of them.

        Raises:
            UniquenessException: ``userName`` is taken, in whatever case.
        """

    async def replace_user(self, current: Document, content: JsonObject) -> Document:
        """Write a user's new state over ``current``.

        Raises:
            WriteConflict: ``current`` is not the stored state any more.
            NotFoundException: The user is gone.
            UniquenessException: The new ``userName`` is another user's.
        """

    async def delete_user(self, current: Document) -> None:
        """Delete a user, its index rows and its memberships.

        Raises:
            WriteConflict: ``current`` is not the stored state any more.
            NotFoundException: The user is gone.
        """

    async def create_group(self, content: JsonObject, members: Sequence[Member]) -> Document:
        """Store a new group with its members.

        Raises:
            InvalidValueException: A member does not exist.
        """

    async def change_group(
        self, current: Document, content: JsonObject | None, change: MembershipChange
    ) -> Document:
        """Write a group's new attributes (None: unchanged) and membership in one commit.

        A change that changes nothing writes nothing and returns ``current``.

        Raises:
            WriteConflict: ``current`` is not the stored state any more.
            NotFoundException: The group is gone.
            InvalidValueException: A member to add does not exist.
        """

    async def delete_group(self, current: Document) -> None:
        """Delete a group and its member rows.

        Raises:
            WriteConflict: ``current`` is not the stored state any more.
            NotFoundException: The group is gone.
        """
