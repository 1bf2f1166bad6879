"""``scimgw tenants log``: what happened in a tenant, for people and for scripts."""

import asyncio
import time

from tests.tenancy import Tenant, operate


def test_changes_are_listed_with_who_made_them(scimgw, host, tenant):
    async def act():
        async with operate(host) as operator:
            token = (await operator.issue(tenant, label="Entra prod"))["token"]
            client = Tenant(operator.session, tenant, f"{host.url}/scim/{tenant}", token)
            created = await client.create_user("bob")
            await client.create_user("bob")
            return created.json["id"]

    user_id = asyncio.run(act())
    for _ in range(100):
        entries = scimgw("tenants", "log", tenant, "--json").json["entries"]
        if len(entries) == 2:
            break
        time.sleep(0.05)  # failures are written two seconds later
    table = scimgw("tenants", "log", tenant, "--result", "success")

    assert [(entry["result"], entry["resource_id"]) for entry in entries] == [
        ("failure", ""),
        ("success", user_id),
    ]
    assert "user.created" in table.out and "Entra prod" in table.out and "failure" not in table.out
