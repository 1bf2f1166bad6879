"""The order of things in one run: fill a directory, look around in it, change it, read it back."""

from bench.load import MEMBERS_PER_PATCH, Load

# Operations measured of each kind, where the size of the directory does not say: for a steady quartile.
READS = 800
WRITES = 400
PAGES = 30
WHOLE_GROUPS = 3


async def run(load: Load, users: int, members: int, *, scale: float = 1.0) -> None:
    """Replay the load against an empty directory.

    Args:
        load: Against which server.
        users: Users to create, at least ``members``.
        members: Members of the large group.
        scale: Shortens every kind, for a server that needs much longer.
    """
    reads, writes = max(10, int(READS * scale)), max(5, int(WRITES * scale))
    await load.measure("look-up, no match", 1, range(reads), load.look_up_miss)
    # Eight at once first: single requests are measured on a server that has worked for a while.
    single = min(writes, users // 2)
    await load.measure("create user", 8, range(users - single), load.create)
    await load.measure("create user", 1, range(users - single, users), load.create)
    names = list(load.users)
    for concurrency in (1, 8):
        picks = load.random.choices(names, k=reads)
        await load.measure("get user", concurrency, picks, load.get)
        await load.measure("look-up by userName", concurrency, picks, load.look_up)
        await load.measure("look-up by externalId", concurrency, picks, load.look_up_external)
        changed = (
            load.random.choices(names, k=writes) if concurrency == 1 else load.random.sample(names, writes)
        )
        await load.measure("patch user", concurrency, changed, load.patch)
        starts = [load.random.randrange(1, max(2, users - 100)) for _ in range(max(3, int(PAGES * scale)))]
        await load.measure("page of 100 users", concurrency, starts, load.page)
    await groups(load, members, reads, writes)
    await read_back(load, users)


async def groups(load: Load, members: int, reads: int, writes: int) -> None:
    """Fill one large group, change it by single members, and read it."""
    ids = list(load.users.values())[: members + 1]
    group = await load.create_group("Everyone")
    blocks = [ids[i : i + MEMBERS_PER_PATCH] for i in range(0, members, MEMBERS_PER_PATCH)]
    blocks[-1] = blocks[-1][: members - MEMBERS_PER_PATCH * (len(blocks) - 1)]
    filling = f"+{MEMBERS_PER_PATCH} members"
    await load.measure(filling, 1, blocks, lambda block: load.change_members(group, "add", block))
    toggled = ids[:writes]
    await load.measure("-1 member", 1, toggled, lambda one: load.change_members(group, "remove", [one]))
    await load.measure(
        "+1 member",
        1,
        toggled[: load.results[-1].count],
        lambda one: load.change_members(group, "add", [one]),
    )
    for concurrency in (1, 8):
        await load.measure("group without members", concurrency, [group] * reads, load.group_without_members)
        await load.measure("group by displayName", concurrency, ["Everyone"] * reads, load.group_by_name)
        pairs = [(group, one) for one in load.random.choices(ids[:members], k=reads)]
        await load.measure("membership test", concurrency, pairs, load.is_member)
    await load.measure("whole group", 1, [(group, members)] * WHOLE_GROUPS, load.whole_group)


async def read_back(load: Load, users: int) -> None:
    """Page through the directory: everybody is there once, nobody else is."""
    found: list[str] = []
    while True:
        answer = await load.request("GET", f"/Users?startIndex={len(found) + 1}&count=100")
        found += [one["userName"] for one in answer.get("Resources", [])]
        if not answer.get("Resources") or len(found) >= answer["totalResults"]:
            break
    assert sorted(found) == sorted(load.users), f"{len(found)} users read back of {users}"
