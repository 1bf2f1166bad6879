"""Cursors: places in a tenant's feed. Pure.

Written ``c1-<first 8 digits of the tenant's id>-<sequence>-<part>``. Clients keep and return them as they
are; the form is described so that people can read logs, not so that programs make cursors.
"""

import re
from dataclasses import dataclass
from typing import Final, Self

_FORM: Final = re.compile(r"c1-([0-9a-f]{8})-(0|[1-9][0-9]{0,15})-(0|[1-9][0-9]{0,8})\Z")


class InvalidCursor(ValueError):
    """A text is no cursor, or one of another tenant's feed (becomes 400)."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in a feed: after everything up to here.

    Attributes:
        sequence: The change that was read last; 0 before the first.
        part: The last of its events that was read, where more follow; 0 where the change was read to its end.
    """

    sequence: int
    part: int = 0

    @property
    def next_sequence(self) -> int:
        """The change that is read next."""
        return self.sequence if self.part else self.sequence + 1

    def render(self, tenant_id: str) -> str:
        """Return it as clients see it."""
        return f"c1-{tenant_id[:8]}-{self.sequence}-{self.part}"

    @classmethod
    def parse(cls, text: str, tenant_id: str) -> Self:
        """Read a cursor that a client returns.

        Raises:
            InvalidCursor: It is none, or was given out for another tenant.
        """
        found = _FORM.match(text)
        if not found:
            raise InvalidCursor("This is no cursor: return one as it was given.")
        if found[1] != tenant_id[:8]:
            raise InvalidCursor("This cursor is of another tenant's feed.")
        return cls(int(found[2]), int(found[3]))


START: Final = Cursor(0)
