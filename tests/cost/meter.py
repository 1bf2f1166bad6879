"""Counts what an operation sends over the wire."""

from dataclasses import dataclass
from typing import Any, Self

from scim.storage.table_account import TableAccount


@dataclass
class Meter:
    """Requests to the table, and the steps they come in: requests of one step are in flight together.

    Use as a context manager around the operation that is measured.
    """

    account: TableAccount
    requests: int = 0
    steps: int = 0
    _in_flight: int = 0

    def __enter__(self) -> Self:
        self.requests = self.steps = 0
        self._send = self.account.transport.send
        self.account.transport.send = self._count
        return self

    def __exit__(self, *_: object) -> None:
        self.account.transport.send = self._send

    async def _count(self, request: Any, **config: Any) -> Any:
        self.requests += 1
        self.steps += self._in_flight == 0
        self._in_flight += 1
        try:
            return await self._send(request, **config)
        finally:
            self._in_flight -= 1

    @property
    def cost(self) -> tuple[int, int]:
        """Requests and steps."""
        return self.requests, self.steps
