"""What the events keep of a tenant, deleted when the tenant is purged."""

import time
from collections.abc import Callable
from contextlib import suppress

from events.receivers import ReceiverChanged, Receivers
from scim.storage.housekeeping import purge
from scim.storage.keys import range_of
from scim.storage.parallel import parallel_map
from scim.storage.table_client import TableClient


async def forget_tenant(
    client: TableClient,
    tenant_id: str,
    *,
    count: Callable[[int], None],
    until: float,
    clock: Callable[[], float] = time.monotonic,
) -> bool:
    """Delete a tenant's receivers, its places, attempts and dead letters; other tenants' stay.

    Args:
        client: The table ``receivers``.
        tenant_id: Whose.
        count: Told how many rows were deleted.
        until: When to stop, on the clock.
        clock: Monotonic, in seconds.

    Returns:
        Whether nothing is left. If not, run it again.
    """
    name = tenant_id.replace("-", "")
    receivers = Receivers(client)
    known = await receivers.find_all()
    parts = [(f"p{name}", range_of("")), (f"d{name}", range_of(""))]
    parts += [(f"{kind}{receiver.id}", range_of(f"{name}.")) for receiver in known for kind in ("l", "x")]

    async def forget(part: tuple[str, tuple[str, str]]) -> bool:
        counted = 0

        def progress(deleted: int) -> None:
            nonlocal counted
            count(deleted - counted)
            counted = deleted

        return await purge(client, part[0], rows=part[1], progress=progress, until=until, clock=clock)

    # Each is one request as a rule; one after the other they would take longer than a call has.
    if not all(await parallel_map(forget, parts)):
        return False
    for receiver in known:
        if receiver.tenant_id == tenant_id:
            with suppress(ReceiverChanged):
                await receivers.delete(receiver)
            count(1)
    return not any(receiver.tenant_id == tenant_id for receiver in await receivers.find_all())
