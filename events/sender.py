"""One HTTP request to a receiver: checked where it goes, bounded in time and size, never redirected.

A name is resolved once for each connection. All of its addresses must be public, and the connection goes to
one of those that were checked: there is no second look-up that could answer otherwise (DNS rebinding).
"""

import asyncio
import logging
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_address
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from events.addresses import AddressRefused, check_address, check_host, check_url

# The whole exchange, in seconds: an application stores the events and answers; it works on them afterwards.
SECONDS_MAX: Final = 10.0
CONNECT_SECONDS_MAX: Final = 5.0

# Read of an answer, in bytes: enough for the error of RFC 8935 §2.3.
ANSWER_BYTES_MAX: Final = 4_096

# Connections of this process to all receivers, and to one.
CONNECTIONS_MAX: Final = 200
CONNECTIONS_PER_HOST_MAX: Final = 16

USER_AGENT: Final = "scim-gateway"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one attempt.

    Attributes:
        status: The answer's status; 0 without an answer.
        reason: What went wrong, in one line of our own words; empty where all is well.
        seconds: How long it took.
        retry_after_seconds: What the receiver asked to wait, 0 if nothing.
    """

    status: int
    reason: str
    seconds: float
    retry_after_seconds: float = 0.0

    @property
    def is_delivered(self) -> bool:
        """Whether the receiver has taken it."""
        return not self.reason


class CheckingResolver(AbstractResolver):
    """Resolves names for connections, and refuses those with an address that is not public."""

    def __init__(self, *, allows_private: bool) -> None:
        self._allows_private = allows_private

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of a name.

        Raises:
            AddressRefused: One of them is not public.
            OSError: There is none.
        """
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
        results: list[ResolveResult] = []
        for address_family, _, protocol, _, address in found:
            text = str(address[0])
            check_address(ip_address(text.partition("%")[0]), allows_private=self._allows_private)
            results.append(
                ResolveResult(
                    hostname=host,
                    host=text,
                    port=port,
                    family=address_family,
                    proto=protocol,
                    flags=socket.AI_NUMERICHOST,
                )
            )
        return results

    async def close(self) -> None:
        """Nothing is held open."""


class Sender:
    """Sends to receivers. One per process and event loop.

    Args:
        allows_private: Local development: receivers may be on this machine, and without TLS.
    """

    def __init__(
        self,
        *,
        allows_private: bool = False,
        seconds_max: float = SECONDS_MAX,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.allows_private = allows_private
        self._clock = clock
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=CheckingResolver(allows_private=allows_private),
                use_dns_cache=False,
                limit=CONNECTIONS_MAX,
                limit_per_host=CONNECTIONS_PER_HOST_MAX,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            # An answer is never unpacked: a small one could become a large one.
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=seconds_max, connect=CONNECT_SECONDS_MAX),
            headers={"User-Agent": USER_AGENT},
        )
        if allows_private:
            _log.warning("private_receivers_allowed: events may be sent to this machine and network")

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Outcome:
        """Send one request; never raises for what the receiver does."""
        started = self._clock()

        def after(status: int, reason: str, retry_after_seconds: float = 0.0) -> Outcome:
            return Outcome(status, reason, self._clock() - started, retry_after_seconds)

        try:
            check_url(url, allows_private=self.allows_private)
            # What the library reads in it counts, not only what we do.
            target = URL(url)
            check_host(target.host or "", allows_private=self.allows_private)
            async with self._session.post(
                target, data=body, headers=headers, allow_redirects=False
            ) as response:
                await response.content.read(ANSWER_BYTES_MAX)
                status, retry_after = response.status, response.headers.get("Retry-After", "")
        except AddressRefused as error:
            return after(0, f"refused: {error}")
        except TimeoutError:
            return after(0, "no answer in time")
        except aiohttp.ClientConnectorCertificateError:
            return after(0, "its certificate is not valid")
        except aiohttp.ClientConnectorError as error:
            refusal = error.__cause__ if isinstance(error.__cause__, AddressRefused) else None
            return after(0, f"refused: {refusal}" if refusal else "cannot connect")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return after(0, f"failed: {type(error).__name__}")
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            return after(status, "")
        if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
            return after(status, "answered with a redirection, which is not followed")
        return after(status, f"answered {status}", _seconds(retry_after))

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()


def _seconds(header: str) -> float:
    is_number = header.isascii() and header.isdigit() and len(header) <= 9  # noqa: PLR2004 - years
    return float(header) if is_number else 0.0
