"""An assertion is taken once, on whatever instance (RFC 7523 §3)."""

import asyncio
import itertools
import json

import pytest

from tenants.oauth.used_assertions import USED_MAX, UsedAssertions, plan_use
from tenants.tables import RowExists, TableUnavailable

TENANT = "11111111-2222-4333-8444-555555555555"


def use(used, digest, mark="m", now=100.0, expires=200.0):
    return plan_use(used, digest, expires=expires, now=now, mark=mark)


def test_first_use_is_noted_and_second_refused():
    used = use({}, "a")

    assert used == {"a": (200.0, "m")}
    assert use(used, "a", mark="other") is None
    assert use(used, "b") is not None


def test_own_write_whose_answer_was_lost_is_no_second_use():
    assert use(use({}, "a", mark="mine"), "a", mark="mine") is not None


def test_expired_ones_are_dropped():
    used = use({}, "a", expires=200.0)

    assert use(used, "b", now=200.0).keys() == {"b"}
    assert use(used, "b", now=199.0).keys() == {"a", "b"}


def test_number_of_live_ones_is_bounded():
    used = {str(number): (200.0, "m") for number in range(USED_MAX - 1)}

    used = use(used, "last")
    assert len(used) == USED_MAX
    assert use(used, "one more") is None
    assert use(used, "one more", now=200.0) is not None


async def test_instances_share_what_was_used(table):
    first, second = UsedAssertions(table), UsedAssertions(table)

    async def send(instance, client_id="c", assertion_id="a", tenant_id=TENANT):
        return await instance.use(tenant_id, client_id, assertion_id, expires=200.0, now=100.0)

    assert await send(first)
    assert not await send(first)
    assert not await send(second)
    assert await send(second, assertion_id="b")
    assert await send(second, client_id="d")
    assert await send(second, tenant_id="99999999-8888-4777-8666-555555555555")


async def test_of_many_uses_at_once_one_wins(table):
    """Two instances that get the same assertion at the same instant must not both take it."""
    results = await asyncio.gather(
        *(UsedAssertions(table).use(TENANT, "c", "a", expires=200.0, now=100.0) for _ in range(8))
    )

    assert sum(results) == 1


async def test_many_assertions_at_once_are_all_noted(table):
    used = UsedAssertions(table)
    results = await asyncio.gather(
        *(used.use(TENANT, "c", str(number), expires=200.0, now=100.0) for number in range(4))
    )

    assert all(results)
    assert not any([await used.use(TENANT, "c", str(n), expires=200.0, now=100.0) for n in range(4)])


async def test_full_row_fits_into_the_table(table):
    marks = (f"{number:08x}" for number in itertools.count())
    row = {f"{number:032x}": (1_900_000_000.123456, next(marks)) for number in range(USED_MAX - 1)}
    used = UsedAssertions(table)
    await table.create(f"assertions-{TENANT}", "c", {"used": json.dumps(row)})

    assert await used.use(TENANT, "c", "a", expires=1_900_000_000.0, now=100.0)
    assert not await used.use(TENANT, "c", "b", expires=1_900_000_000.0, now=100.0)


async def test_row_that_never_stands_still_is_no_permission(table):
    class Contended:
        async def get(self, *key):
            return None

        async def create(self, *key):
            raise RowExists

    with pytest.raises(TableUnavailable):
        await UsedAssertions(Contended()).use(TENANT, "c", "a", expires=200.0, now=100.0)


async def test_table_that_is_away_is_no_permission(table):
    class Away:
        async def get(self, *key):
            raise TableUnavailable("away")

    with pytest.raises(TableUnavailable):
        await UsedAssertions(Away()).use(TENANT, "c", "a", expires=200.0, now=100.0)
