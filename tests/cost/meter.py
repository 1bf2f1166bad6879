"""Counts what an operation sends over the wire."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

from scim.storage.table_account import TableAccount

# The transport's ways to send a request, of which neither uses the other.
_WAYS = ("exchange", "send")


@dataclass
class Meter:
    """Requests to the table, and the steps they come in: requests of one step are in flight together.

    Use as a context manager around the operation that is measured.
    """

    account: TableAccount
    steps: int = 0
    _requests_before: int = 0
    _requests_after: int = 0
    _in_flight: int = 0
    _ways: dict[str, Callable[..., Any]] = field(default_factory=dict)

    def __enter__(self) -> Self:
        self.steps = 0
        self._requests_before = self.account.transport.requests
        for name in _WAYS:
            way = getattr(self.account.transport, name, None)
            if way is None:
                continue
            setattr(self.account.transport, name, self._counted(way))
            self._ways[name] = way
        return self

    def __exit__(self, *_: object) -> None:
        self._requests_after = self.account.transport.requests
        for name, way in self._ways.items():
            setattr(self.account.transport, name, way)

    def _counted(self, way: Callable[..., Any]) -> Callable[..., Any]:
        async def count(*arguments: Any, **options: Any) -> Any:
            self.steps += self._in_flight == 0
            self._in_flight += 1
            try:
                return await way(*arguments, **options)
            finally:
                self._in_flight -= 1

        return count

    @property
    def requests(self) -> int:
        """How many were sent while it was measured."""
        return self._requests_after - self._requests_before

    @property
    def cost(self) -> tuple[int, int]:
        """Requests and steps."""
        return self.requests, self.steps
