"""Client assertions that were used, so that none is used twice on any instance (RFC 7523 §3, ``jti``).

One row per client holds the assertions that it used and that have not expired. Each use drops the expired
ones, so the row cleans itself. A client that makes more than ``USED_MAX`` within their lifetimes is refused:
only someone with its key can do that.
"""

import hashlib
import json
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from tenants.credentials import USED_ASSERTIONS
from tenants.tables import RowChanged, RowExists, Table, TableUnavailable

# Assertions of one client that live at once. Each takes 60 characters of one table cell (32 Ki characters).
USED_MAX = 400

# Attempts at a row that others change at the same time.
_ATTEMPTS = 5


# Used assertions by digest: when it expires, and a mark of the attempt that wrote it.
type Used = Mapping[str, tuple[float, str]]


def plan_use(used: Used, digest: str, *, expires: float, now: float, mark: str) -> Used | None:
    """Decide what a client's row holds after one more use, or that this is no first use. Pure.

    Args:
        used: What the row holds.
        digest: Which assertion.
        expires: Its ``exp``, with leeway.
        now: Seconds since 1970.
        mark: Names this attempt: a row that was written although the answer was lost is known by it.

    Returns:
        The row's new content, or None where the assertion must be refused.
    """
    live = {key: entry for key, entry in used.items() if entry[0] > now}
    if digest in live:
        return live if live[digest][1] == mark else None
    return {**live, digest: (expires, mark)} if len(live) < USED_MAX else None


class UsedAssertions:
    """The used assertions of every client."""

    def __init__(self, table: Table, *, make_mark: Callable[[], str] = lambda: secrets.token_hex(4)) -> None:
        self._table = table
        self._make_mark = make_mark

    async def use(
        self, tenant_id: str, client_id: str, assertion_id: str, *, expires: float, now: float
    ) -> bool:
        """Mark an assertion as used; return False where it was before.

        A crash after the write leaves it used without a token: the client makes another one.

        Raises:
            TableUnavailable: It cannot be marked, so it must not be taken.
        """
        partition_key = USED_ASSERTIONS + tenant_id
        digest = hashlib.sha256(assertion_id.encode()).hexdigest()[:32]
        mark = self._make_mark()
        for _ in range(_ATTEMPTS):
            row = await self._table.get(partition_key, client_id)
            used = _parse(row) if row is not None else {}
            planned = plan_use(used, digest, expires=expires, now=now, mark=mark)
            if planned is None:
                return False
            properties = {"used": json.dumps(planned)}
            try:
                if row is None:
                    await self._table.create(partition_key, client_id, properties)
                else:
                    await self._table.merge(partition_key, client_id, properties, etag=row["etag"])
            except (RowExists, RowChanged):
                continue
            return True
        raise TableUnavailable("a client's used assertions change all the time")


def _parse(row: Mapping[str, Any]) -> Used:
    return {key: (float(expires), str(mark)) for key, (expires, mark) in json.loads(row["used"]).items()}
