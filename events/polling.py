"""Poll delivery by RFC 8936: the feed for those who acknowledge events instead of keeping a cursor.

Each credential has a stream of its own: its place is a row that the acknowledgements move. Events that are
not acknowledged come again; a crash at any point repeats events, and loses none.
"""

import logging
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from events.cursors import Cursor
from events.feed import EVENTS_MAX, Feed
from scim.storage import keys
from scim.storage.table_client import Change, ChangeKind, TableClient

_log = logging.getLogger(__name__)

# Acknowledgements and errors of one request; more than events can be outstanding.
ACKNOWLEDGED_MAX: Final = 1_000

EVENTS_DEFAULT: Final = 100


class PollRequest(BaseModel):
    """Body of a poll (RFC 8936 §2.4). What is not known is ignored, as the RFC wants it.

    Attributes:
        max_events: Most events wanted; 0 only acknowledges.
        return_immediately: Whether to answer at once where there is none.
        ack: Ids of events that need not come again.
        set_errors: Ids of events that were refused, each with ``err`` and ``description``; they do not come
            again either.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    max_events: int = Field(EVENTS_DEFAULT, alias="maxEvents", ge=0)
    return_immediately: bool = Field(False, alias="returnImmediately")
    ack: list[str] = Field(default_factory=list, max_length=ACKNOWLEDGED_MAX)
    set_errors: dict[str, Any] = Field(default_factory=dict, alias="setErrs", max_length=ACKNOWLEDGED_MAX)

    @property
    def count(self) -> int:
        """How many events to return at most."""
        return min(self.max_events, EVENTS_MAX)


@dataclass(frozen=True, slots=True)
class PollStream:
    """The place of one credential in its tenant's feed.

    Attributes:
        client: The table ``receivers``.
        tenant_id: The tenant.
        subject: The credential.
    """

    client: TableClient
    tenant_id: str
    subject: str

    async def find(self) -> Cursor | None:
        """Return where it stands; None before the first poll."""
        row = await self.client.get(self._partition, self._row_key, ("seq", "part"))
        return None if row is None else Cursor(row["seq"], row["part"])

    async def save(self, cursor: Cursor) -> None:
        """Write where it stands."""
        properties = {"seq": cursor.sequence, "part": cursor.part}
        change = Change(ChangeKind.UPSERT, self._row_key, properties)
        await self.client.submit(self._partition, [change])

    async def acknowledge(self, feed: Feed, cursor: Cursor, ids: Collection[str]) -> Cursor:
        """Move on over the events that are acknowledged, up to the first that is not, and return the place.

        Raises:
            CursorExpired: The feed does not go on from here.
        """
        if not ids:
            return cursor
        place = cursor
        page = await feed.read(cursor, min(len(ids), EVENTS_MAX))
        for event in page.events:
            if event.id not in ids:
                break
            place = event.after
        if place != cursor:
            await self.save(place)
        return place

    def report(self, errors: dict[str, Any]) -> None:
        """Log the events that the application refused."""
        for event_id, error in errors.items():
            code = error.get("err") if isinstance(error, dict) else None
            _log.warning(
                "event_refused tenant_id=%s subject=%s event=%s err=%s",
                self.tenant_id,
                self.subject,
                *(str(value)[:100].encode("unicode_escape").decode() for value in (event_id, code)),
            )

    @property
    def _partition(self) -> str:
        return f"p{self.tenant_id.replace('-', '')}"

    @property
    def _row_key(self) -> str:
        return keys.encode(self.subject)
