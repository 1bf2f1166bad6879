"""SCIM requests through a failing network: what clients are told is true, and is their own business.

Where `test_chaos` changes the storage from several processes, this one speaks SCIM, as identity providers do:
many at once, on the same few users and groups, none of them with conditions.
"""

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any
from uuid import uuid4

import pytest

from scim.storage import keys
from scim.storage.inspect import check_tenant
from scim.storage.table_account import TableAccount
from scim.storage.table_client import TableClient
from scimgw.localhost.azurite import Azurite
from tests.chaos.test_chaos import METHODS, RATES, settle
from tests.faults.proxy import FaultProxy
from tests.storage.directories import open_directory
from tests.unit.scim.clients import Answer, Client

WORK_SECONDS = 5.0
# Of each writer, however slow the machine.
CHANGES_MIN = 25
USERS = 6
GROUPS = 2
# Each writer has an attribute of every user, and a member of every group, to itself.
ATTRIBUTES = ("title", "nickName", "userType", "locale", "timezone", "preferredLanguage", "displayName")

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(120)]


@dataclass
class Writer:
    """One client of many.

    Attributes:
        attribute: What it writes in users.
        member_id: Whom it adds to groups and removes.
        values: By user: what the attribute may be now; one value, unless an answer was 429.
        memberships: By group: whether the member may be in it now.
        statuses: How often each status was answered.
        surprises: Answers that nothing the client did can explain.
    """

    table: TableClient
    tenant_id: str
    attribute: str
    member_id: str
    generator: random.Random
    values: dict[str, set[str | None]]
    memberships: dict[str, set[bool]]
    statuses: Counter[int] = field(default_factory=Counter)
    surprises: list[Any] = field(default_factory=list)
    number: int = 0

    async def work(self, until: float) -> None:
        while time.monotonic() < until or self.number < CHANGES_MIN:
            self.number += 1
            change = self.generator.choice((self.rewrite, self.rewrite, self.join_or_leave, self.come_and_go))
            await change()

    async def send(self, method: str, path: str, body: Any, *expected: int) -> Answer:
        answer = await Client(open_directory(self.table, self.tenant_id)).send(method, path, body)
        self.statuses[answer.status] += 1
        if answer.status not in {*expected, 429}:
            self.surprises.append((method, path, body, answer))
        return answer

    async def rewrite(self) -> None:
        """Change the own attribute of a user that others change too."""
        user_id = self.generator.choice(list(self.values))
        value = f"{self.attribute} {self.number}"
        operation = {"op": "replace", "path": self.attribute, "value": value}
        answer = await self.send("PATCH", f"/Users/{user_id}", {"Operations": [operation]}, 200)
        if answer.status == 200:
            self.values[user_id] = {value}
            if answer.body.get(self.attribute) != value:
                self.surprises.append((operation, answer))
        else:
            self.values[user_id].add(value)

    async def join_or_leave(self) -> None:
        group_id, is_there = self.generator.choice(list(self.memberships)), self.generator.random() < 0.5
        operation = {
            "op": "Add" if is_there else "Remove",
            "path": "members",
            "value": [{"value": self.member_id}],
        }
        answer = await self.send("PATCH", f"/Groups/{group_id}", {"Operations": [operation]}, 204)
        known = set() if answer.status == 204 else self.memberships[group_id]
        self.memberships[group_id] = known | {is_there}

    async def come_and_go(self) -> None:
        """Create a user and delete it. A creation answered by 429 may have been done: 409 says so."""
        body = {"userName": f"{self.attribute}{self.number}"}
        answer = await self.send("POST", "/Users", body, 201)
        while answer.status == 429:
            answer = await self.send("POST", "/Users", body, 201, 409)
        if answer.status == 201:
            path = f"/Users/{answer.body['id']}"
            answer = await self.send("DELETE", path, None, 204)
            while answer.status == 429:
                answer = await self.send("DELETE", path, None, 204, 404)


@pytest.mark.parametrize("seed", [1])
async def test_answers_are_true_and_nobody_pays_for_others(azurite: Azurite, seed: int):
    """No 409 or 412 that a client did not ask for, no 5xx; what was acknowledged is there, and stays."""
    table_name, tenant_id = f"t{token_hex(6)}", str(uuid4())
    async with TableAccount(azurite.connection_string) as account:
        table = account.table(table_name)
        await table.create_table()
        client = Client(open_directory(table, tenant_id))
        users = [await client.create_user(f"user{number}") for number in range(USERS)]
        groups = [await client.create_group(f"group{number}") for number in range(GROUPS)]
        members = [await client.create_user(attribute) for attribute in ATTRIBUTES]

        with FaultProxy(azurite.table_port, seed=seed, rates=RATES, methods=METHODS) as proxy:
            async with TableAccount(proxy.redirect(azurite.connection_string)) as faulty:
                writers = [
                    Writer(
                        faulty.table(table_name),
                        tenant_id,
                        attribute,
                        member_id,
                        random.Random(100 * seed + number),
                        {user_id: {None} for user_id in users},
                        {group_id: {False} for group_id in groups},
                    )
                    for number, (attribute, member_id) in enumerate(zip(ATTRIBUTES, members, strict=True))
                ]
                until = time.monotonic() + WORK_SECONDS
                await asyncio.gather(*(writer.work(until) for writer in writers))
            injected = proxy.injected

        await settle(table, keys.partition(tenant_id))
        findings = await check_tenant(table, tenant_id)
        stored = {user_id: (await client.get(f"/Users/{user_id}")).body for user_id in users}
        joined = {group_id: await client.members(group_id) for group_id in groups}

    statuses = sum((writer.statuses for writer in writers), Counter[int]())
    assert [writer.surprises for writer in writers if writer.surprises] == []
    assert findings == []
    for writer in writers:
        for user_id, values in writer.values.items():
            assert stored[user_id].get(writer.attribute) in values
        for group_id, possible in writer.memberships.items():
            assert (writer.member_id in joined[group_id]) in possible
    assert injected > 20, statuses
    assert statuses.total() - statuses[429] > 100
