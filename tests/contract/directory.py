"""What every implementation of the port ``scim.documents.Directory`` must do.

Subclass `DirectoryContract` with a fixture ``directory``: the directory of a tenant that is empty.
"""

import asyncio
import re

import pytest
from scim2_models import (
    InvalidCursorException,
    InvalidValueException,
    NotFoundException,
    TooManyException,
    UniquenessException,
)

from scim.documents import (
    Access,
    Directory,
    Document,
    Member,
    MembershipChange,
    Page,
    Plan,
    ResourceName,
    Slice,
    WriteConflict,
)

USER, GROUP = ResourceName.USER, ResourceName.GROUP
USER_SCHEMA = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP_SCHEMA = "urn:ietf:params:scim:schemas:core:2.0:Group"
EVERYTHING = Plan(Access.SCAN)
NOBODY = "0" * 32
UNCHANGED = MembershipChange()
PAGE = Slice()


def user(user_name: str, **attributes: object) -> dict[str, object]:
    return {"schemas": [USER_SCHEMA], "userName": user_name, **attributes}


def group(name: str, **attributes: object) -> dict[str, object]:
    return {"schemas": [GROUP_SCHEMA], "displayName": name, **attributes}


def adding(*ids: str) -> MembershipChange:
    return MembershipChange(adds=tuple(Member(member_id) for member_id in ids))


def removing(*ids: str) -> MembershipChange:
    return MembershipChange(removes=ids)


def replacing(*ids: str) -> MembershipChange:
    return MembershipChange(adds=tuple(Member(member_id) for member_id in ids), replace_all=True)


async def make_users(directory: Directory, *names: str) -> list[str]:
    """Create users and return their ids, sorted as lists are."""
    made = [(await directory.create_user(user(name))).id for name in names]
    return sorted(made)


async def members_of(directory: Directory, group_id: str) -> list[str]:
    found = await directory.read_members(await directory.read(GROUP, group_id))
    return [member.value for member in found]


async def change_members(directory: Directory, group_id: str, change: MembershipChange) -> Document:
    return await directory.change_group(await directory.read(GROUP, group_id), None, change)


def ids(page: Page) -> list[str]:
    return [document.id for document in page.documents]


def names(page: Page) -> list[str]:
    return [document.content["userName"] for document in page.documents]


class DirectoryContract:
    """The rules of the port, one test each."""

    # -- one user ------------------------------------------------------------------------------------------

    async def test_a_created_user_has_an_id_and_meta_of_the_storage(self, directory: Directory):
        """RFC 7643 §3.1: ``id`` and ``meta`` are the service provider's, whatever the client says of them."""
        document = await directory.create_user(
            user("jo", id="mine", meta={"version": "mine", "created": "never"}, active=True)
        )

        assert re.fullmatch("[0-9a-f]{32}", document.id)
        meta = document.content["meta"]
        assert meta["resourceType"] == "User"
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", meta["created"])
        assert meta["created"] == meta["lastModified"]
        assert re.fullmatch(r'W/"k[0-9a-f]{26}"', document.version)
        assert document.sequence == 1

    async def test_a_user_is_read_as_it_was_written(self, directory: Directory):
        """Every value survives, letters of any script and empty texts included."""
        content = user(
            "Zoë O'Neil/%#?\\",
            externalId="0a21\u00df",
            name={"familyName": "", "givenName": "山田"},
            emails=[{"value": "ZOE@example.com", "type": "work", "primary": True}],
            active=False,
        )

        written = await directory.create_user(content)
        read = await directory.read(USER, written.id)

        assert written.content == read.content
        assert content == {name: value for name, value in read.content.items() if name not in {"id", "meta"}}
        assert read.entity_etag

    async def test_a_document_belongs_to_its_reader(self, directory: Directory):
        """What a caller does to a document is not seen by the next one."""
        written = await directory.create_user(user("jo", name={"givenName": "Jo"}))
        (await directory.read(USER, written.id)).content["name"]["givenName"] = "changed"

        assert (await directory.read(USER, written.id)).content["name"]["givenName"] == "Jo"

    async def test_secrets_and_relations_are_not_stored(self, directory: Directory):
        """``password`` is accepted and forgotten; members and groups live elsewhere."""
        written = await directory.create_user(user("jo", password="secret", groups=[{"value": NOBODY}]))

        assert {"schemas", "id", "meta", "userName"} == set((await directory.read(USER, written.id)).content)

    @pytest.mark.parametrize("resource_id", [NOBODY, "", "unknown", "a'b", "A" * 32, "../x", "\u00e9" * 32])
    async def test_an_unknown_id_is_not_found(self, directory: Directory, resource_id: str):
        """RFC 7644 §3.12: 404, for whatever text a client sends as an id."""
        for resource_name in ResourceName:
            with pytest.raises(NotFoundException):
                await directory.read(resource_name, resource_id)

    async def test_a_resource_is_found_under_its_own_type_only(self, directory: Directory):
        """A user's id names no group."""
        written = await directory.create_user(user("jo"))

        with pytest.raises(NotFoundException):
            await directory.read(GROUP, written.id)

    async def test_a_new_state_replaces_the_old_one(self, directory: Directory):
        """Created stays, lastModified, version and sequence go on."""
        await directory.create_user(user("jo", title="Boss"))
        current = (await directory.find(USER, Plan(Access.USER_NAME, "jo"), Slice())).documents[0]
        current = await directory.read(USER, current.id)

        written = await directory.replace_user(current, user("jo", nickName="J"))
        read = await directory.read(USER, current.id)

        assert written.content == read.content
        assert "title" not in read.content
        assert current.content["meta"]["created"] == read.content["meta"]["created"]
        assert current.content["meta"]["lastModified"] <= read.content["meta"]["lastModified"]
        assert current.version < read.version
        assert 2 == read.sequence == written.sequence

    async def test_a_state_that_is_the_same_is_not_written(self, directory: Directory):
        """No new version without a change, so that a client's repeat wakes nobody up."""
        current = await directory.read(USER, (await directory.create_user(user("jo", title="x"))).id)

        same = await directory.replace_user(current, user("jo", title="x", id="other", meta={}))

        assert current.version == same.version == (await directory.read(USER, current.id)).version

    async def test_a_stale_state_is_refused(self, directory: Directory):
        """Of two writers that have read the same state, the second one must read again."""
        first = await directory.create_user(user("jo"))
        current = await directory.read(USER, first.id)
        await directory.replace_user(current, user("jo", title="one"))

        with pytest.raises(WriteConflict):
            await directory.replace_user(current, user("jo", title="two"))
        with pytest.raises(WriteConflict):
            await directory.delete_user(current)
        assert (await directory.read(USER, first.id)).content["title"] == "one"

    async def test_a_document_from_an_index_cannot_be_written_over(self, directory: Directory):
        """It carries nothing that would guard the write."""
        await directory.create_user(user("jo"))
        found = (await directory.find(USER, Plan(Access.USER_NAME, "jo"), Slice())).documents[0]

        assert not found.entity_etag
        with pytest.raises(WriteConflict):
            await directory.replace_user(found, user("jo", title="x"))
        with pytest.raises(WriteConflict):
            await directory.delete_user(found)

    async def test_a_deleted_user_is_gone_everywhere(self, directory: Directory):
        """RFC 7644 §3.6: not read, not found, and its name is free."""
        written = await directory.create_user(
            user("jo", externalId="x", emails=[{"value": "jo@example.com"}])
        )
        current = await directory.read(USER, written.id)
        await directory.delete_user(current)

        with pytest.raises(NotFoundException):
            await directory.read(USER, written.id)
        with pytest.raises(NotFoundException):
            await directory.delete_user(current)
        with pytest.raises(NotFoundException):
            await directory.replace_user(current, user("jo", title="x"))
        for access, value in (("USER_NAME", "jo"), ("EXTERNAL_ID", "x"), ("EMAIL", "jo@example.com")):
            assert (await directory.find(USER, Plan(Access[access], value), Slice())).total == 0
        assert (await directory.find(USER, EVERYTHING, Slice())).total == 0
        await directory.create_user(user("jo"))

    async def test_a_user_needs_a_name(self, directory: Directory):
        """RFC 7643 §4.1.1."""
        with pytest.raises(InvalidValueException):
            await directory.create_user({"schemas": [USER_SCHEMA]})
        current = await directory.read(USER, (await directory.create_user(user("jo"))).id)
        with pytest.raises(InvalidValueException):
            await directory.replace_user(current, {"schemas": [USER_SCHEMA]})

    @pytest.mark.parametrize(("count", "is_stored"), [(40, True), (41, False)])
    async def test_the_number_of_addresses_has_a_limit(
        self, directory: Directory, count: int, is_stored: bool
    ):
        """All index rows of a user are exchanged in one transaction."""

        def emails(domain: str) -> list[dict[str, str]]:
            return [{"value": f"jo{number}@{domain}"} for number in range(count)]

        if not is_stored:
            with pytest.raises(InvalidValueException):
                await directory.create_user(user("jo", emails=emails("one.example")))
            return
        written = await directory.create_user(user("jo", externalId="1", emails=emails("one.example")))
        current = await directory.read(USER, written.id)
        await directory.replace_user(current, user("jim", externalId="2", emails=emails("two.example")))
        found = await directory.find(USER, Plan(Access.EMAIL, "JO39@two.example"), Slice())
        assert [written.id] == ids(found)
        await directory.delete_user(await directory.read(USER, written.id))

    # -- uniqueness ----------------------------------------------------------------------------------------

    @pytest.mark.parametrize("other", ["JO@Example.COM", "jo@example.com"])
    async def test_a_user_name_is_unique_in_any_case(self, directory: Directory, other: str):
        """RFC 7643 §4.1.1: userName is unique and not caseExact."""
        await directory.create_user(user("jo@example.com"))
        current = await directory.read(USER, (await directory.create_user(user("jim"))).id)

        with pytest.raises(UniquenessException):
            await directory.create_user(user(other))
        with pytest.raises(UniquenessException):
            await directory.replace_user(current, user(other))
        assert (await directory.read(USER, current.id)).content["userName"] == "jim"

    async def test_a_rename_frees_the_old_name(self, directory: Directory):
        """And looks up under the new one only."""
        current = await directory.read(USER, (await directory.create_user(user("jo"))).id)
        await directory.replace_user(current, user("jim"))

        assert (await directory.find(USER, Plan(Access.USER_NAME, "jo"), Slice())).total == 0
        assert [current.id] == ids(await directory.find(USER, Plan(Access.USER_NAME, "JIM"), Slice()))
        await directory.create_user(user("jo"))

    async def test_a_rename_in_case_only_keeps_the_name(self, directory: Directory):
        """The key is the same, the spelling is the new one."""
        current = await directory.read(USER, (await directory.create_user(user("jo"))).id)
        await directory.replace_user(current, user("JO"))

        assert names(await directory.find(USER, Plan(Access.USER_NAME, "jo"), Slice())) == ["JO"]

    async def test_of_fifty_creations_of_one_name_one_succeeds(self, directory: Directory):
        """Case variants in parallel: one user, 49 refusals, nothing left over."""
        variants = [f"{'JO' if n % 2 else 'jo'}@example.{'COM' if n % 3 else 'com'}" for n in range(50)]

        results = await asyncio.gather(
            *(directory.create_user(user(name)) for name in variants), return_exceptions=True
        )

        assert sum(isinstance(result, Document) for result in results) == 1
        assert sum(isinstance(result, UniquenessException) for result in results) == 49
        assert (await directory.find(USER, EVERYTHING, Slice())).total == 1

    # -- groups and members --------------------------------------------------------------------------------

    async def test_a_group_is_read_without_members(self, directory: Directory):
        """And its members by a read of their own, in the order of their ids, with their types."""
        users = await make_users(directory, "a", "b", "c")
        inner = (await directory.create_group(group("inner"), [])).id

        written = await directory.create_group(
            group("outer", externalId="8aa1", members=[{"value": NOBODY}]),
            [Member(users[0]), Member(users[1], USER), Member(inner), Member(users[2]), Member(users[0])],
        )
        read = await directory.read(GROUP, written.id)

        assert written.content == read.content
        assert {"schemas", "id", "meta", "displayName", "externalId"} == set(read.content)
        expected = sorted([*(Member(user_id, USER) for user_id in users), Member(inner, GROUP)])
        assert expected == await directory.read_members(read)
        assert expected == await directory.read_members(written)

    async def test_a_member_that_does_not_exist_is_named(self, directory: Directory):
        """RFC 7644 §3.12 invalidValue, and nothing is written."""
        users = await make_users(directory, "a")
        existing = await directory.create_group(group("g"), [])

        for missing in (NOBODY, "unknown", "a'b", ""):
            with pytest.raises(InvalidValueException, match=re.escape(repr(missing))):
                await directory.create_group(group("other"), [Member(users[0]), Member(missing)])
            with pytest.raises(InvalidValueException, match=re.escape(repr(missing))):
                await change_members(directory, existing.id, adding(users[0], missing))
        with pytest.raises(InvalidValueException):
            await change_members(directory, existing.id, MembershipChange(adds=(Member(users[0], GROUP),)))
        with pytest.raises(InvalidValueException):
            await change_members(directory, existing.id, MembershipChange(adds=(Member(existing.id, USER),)))
        assert await members_of(directory, existing.id) == []
        assert (await directory.find(GROUP, EVERYTHING, Slice())).total == 1

    async def test_members_join_and_leave(self, directory: Directory):
        """Each real change is a new version of the group."""
        a, b, c = await make_users(directory, "a", "b", "c")
        first = await directory.create_group(group("g"), [Member(a)])

        second = await change_members(
            directory, first.id, MembershipChange(adds=(Member(b), Member(c)), removes=(a,))
        )

        assert [b, c] == await members_of(directory, first.id)
        assert first.version < second.version == (await directory.read(GROUP, first.id)).version
        assert second.sequence == 2
        assert (await directory.read(GROUP, first.id)).content["displayName"] == "g"

    async def test_what_is_so_already_is_no_change(self, directory: Directory):
        """Adding a member again, removing a stranger: success, no new version, and the rest is done."""
        a, b, c = await make_users(directory, "a", "b", "c")
        group_id = (await directory.create_group(group("g"), [Member(a)])).id
        before = await directory.read(GROUP, group_id)

        for change in (
            UNCHANGED,
            adding(a),
            removing(b),
            removing(NOBODY, "nonsense"),
            replacing(a),
            MembershipChange(adds=(Member(a),), removes=(c,)),
        ):
            assert before.version == (await directory.change_group(before, None, change)).version
        assert before.version == (await directory.read(GROUP, group_id)).version

        await directory.change_group(
            before, None, MembershipChange(adds=(Member(a), Member(b)), removes=(c,))
        )
        assert [a, b] == await members_of(directory, group_id)

    async def test_all_members_are_replaced(self, directory: Directory):
        """Those who stay are not touched, an empty list leaves nobody."""
        a, b, c = await make_users(directory, "a", "b", "c")
        group_id = (await directory.create_group(group("g"), [Member(a), Member(b)])).id

        await change_members(directory, group_id, replacing(b, c))
        assert [b, c] == await members_of(directory, group_id)
        await change_members(directory, group_id, replacing())
        assert await members_of(directory, group_id) == []

    async def test_attributes_and_members_change_in_one_commit(self, directory: Directory):
        """One version, and a look-up by the new name only."""
        (a,) = await make_users(directory, "a")
        first = await directory.create_group(group("Old", externalId="1"), [])
        current = await directory.read(GROUP, first.id)

        second = await directory.change_group(current, group("New"), adding(a))

        assert second.sequence == 2
        assert [a] == await members_of(directory, first.id)
        assert [first.id] == ids(await directory.find(GROUP, Plan(Access.DISPLAY_NAME, "NEW"), Slice()))
        assert ids(await directory.find(GROUP, Plan(Access.DISPLAY_NAME, "old"), Slice())) == []
        assert ids(await directory.find(GROUP, Plan(Access.EXTERNAL_ID, "1"), Slice())) == []

    async def test_a_rename_keeps_the_members(self, directory: Directory):
        """Never drop memberships as a side effect."""
        (a,) = await make_users(directory, "a")
        first = await directory.create_group(group("Old"), [Member(a)])

        await directory.change_group(await directory.read(GROUP, first.id), group("New"), UNCHANGED)

        assert [a] == await members_of(directory, first.id)

    async def test_a_stale_group_is_refused(self, directory: Directory):
        """Membership or name: whoever has read an older state reads again."""
        a, b = await make_users(directory, "a", "b")
        first = await directory.create_group(group("g"), [])
        stale = await directory.read(GROUP, first.id)
        await change_members(directory, first.id, adding(a))

        for change in (adding(b), replacing(b)):
            with pytest.raises(WriteConflict):
                await directory.change_group(stale, None, change)
        with pytest.raises(WriteConflict):
            await directory.change_group(stale, group("other"), UNCHANGED)
        with pytest.raises(WriteConflict):
            await directory.delete_group(stale)
        assert [a] == await members_of(directory, first.id)

    async def test_twenty_parallel_joins_are_all_there(self, directory: Directory):
        """Writers that meet read again and write again: no member is lost."""
        users = await make_users(directory, *(f"user{number}" for number in range(20)))
        group_id = (await directory.create_group(group("g"), [])).id

        async def join(user_id: str) -> None:
            while True:
                try:
                    await change_members(directory, group_id, adding(user_id))
                except WriteConflict:
                    continue
                return

        await asyncio.gather(*(join(user_id) for user_id in users))

        assert users == await members_of(directory, group_id)
        assert (await directory.read(GROUP, group_id)).sequence == 21

    async def test_a_deleted_user_leaves_its_groups(self, directory: Directory):
        """And the groups get a new version: their members are others now."""
        a, b = await make_users(directory, "a", "b")
        first = await directory.create_group(group("one"), [Member(a), Member(b)])
        second = await directory.create_group(group("two"), [Member(a)])
        before = [await directory.read(GROUP, made.id) for made in (first, second)]

        await directory.delete_user(await directory.read(USER, a))

        assert [b] == await members_of(directory, first.id)
        assert await members_of(directory, second.id) == []
        for old in before:
            new = await directory.read(GROUP, old.id)
            assert old.version != new.version
            assert old.content["meta"]["lastModified"] <= new.content["meta"]["lastModified"]
        last = await change_members(directory, first.id, removing(b))
        assert last.version == (await directory.read(GROUP, first.id)).version
        assert last.sequence == 2

    @pytest.mark.parametrize("group_count", [28, 40])
    async def test_a_user_of_many_groups_is_deleted(self, directory: Directory, group_count: int):
        """However many they are."""
        a, b = await make_users(directory, "a", "b")
        made = [
            (await directory.create_group(group(f"g{number}"), [Member(a), Member(b)])).id
            for number in range(group_count)
        ]

        await directory.delete_user(await directory.read(USER, a))

        for group_id in made:
            assert [b] == await members_of(directory, group_id)
        assert {a: [], b: sorted(made)} == {
            user_id: [found.id for found in groups]
            for user_id, groups in (await directory.read_groups([a, b])).items()
        }

    @pytest.mark.parametrize("member_count", [3, 60])
    async def test_a_deleted_group_is_gone_with_its_memberships(
        self, directory: Directory, member_count: int
    ):
        """Its members are in it no more, and it is a member of nothing; they live on."""
        users = await make_users(directory, *(f"user{number}" for number in range(member_count)))
        inner = await directory.create_group(group("inner"), [Member(user_id) for user_id in users])
        outer = await directory.create_group(group("outer"), [Member(inner.id)])
        current = await directory.read(GROUP, inner.id)

        await directory.delete_group(current)

        with pytest.raises(NotFoundException):
            await directory.read(GROUP, inner.id)
        with pytest.raises(NotFoundException):
            await directory.delete_group(current)
        with pytest.raises(NotFoundException):
            await directory.change_group(current, None, adding(users[0]))
        assert await members_of(directory, outer.id) == []
        assert [[]] * member_count == list((await directory.read_groups(users)).values())
        assert (await directory.find(GROUP, Plan(Access.DISPLAY_NAME, "inner"), Slice())).total == 0
        assert member_count == (await directory.find(USER, EVERYTHING, Slice())).total

    async def test_a_group_can_be_its_own_member(self, directory: Directory):
        """RFC 7643 §4.2 does not forbid it; joining, leaving and deleting work."""
        group_id = (await directory.create_group(group("g"), [])).id
        await change_members(directory, group_id, adding(group_id))
        assert [Member(group_id, GROUP)] == await directory.read_members(
            await directory.read(GROUP, group_id)
        )
        await change_members(directory, group_id, removing(group_id))
        assert await members_of(directory, group_id) == []
        await change_members(directory, group_id, adding(group_id))
        await directory.delete_group(await directory.read(GROUP, group_id))
        with pytest.raises(NotFoundException):
            await directory.read(GROUP, group_id)

    async def test_many_members_come_and_go_at_once(self, directory: Directory):
        """More than one transaction holds, in one commit: one version."""
        users = await make_users(directory, *(f"user{number}" for number in range(80)))
        group_id = (await directory.create_group(group("g"), [Member(item) for item in users[:50]])).id

        changed = await change_members(
            directory,
            group_id,
            MembershipChange(adds=tuple(map(Member, users[45:])), removes=tuple(users[:40])),
        )

        assert users[40:] == await members_of(directory, group_id)
        assert changed.sequence == 2
        await change_members(directory, group_id, replacing(*users[:45]))
        assert users[:45] == await members_of(directory, group_id)
        with pytest.raises(InvalidValueException, match=NOBODY):
            await change_members(directory, group_id, adding(*users[45:], NOBODY))
        assert users[:45] == await members_of(directory, group_id)

    async def test_deletions_that_race_joins_leave_no_dangling_member(self, directory: Directory):
        """Either the join comes first and the deletion takes it back, or it fails."""
        users = await make_users(directory, *(f"user{number}" for number in range(16)))
        group_ids = [(await directory.create_group(group(f"g{number}"), [])).id for number in range(16)]

        async def join(user_id: str, group_id: str) -> None:
            while True:
                try:
                    await change_members(directory, group_id, adding(user_id))
                except WriteConflict:
                    continue
                except InvalidValueException:
                    pass
                return

        async def delete(user_id: str) -> None:
            while True:
                try:
                    await directory.delete_user(await directory.read(USER, user_id))
                except WriteConflict:
                    continue
                return

        pairs = list(zip(users, group_ids, strict=True))
        await asyncio.gather(*(join(*pair) for pair in pairs), *(delete(user_id) for user_id in users))

        for group_id in group_ids:
            assert await members_of(directory, group_id) == []
        assert (await directory.find(USER, EVERYTHING, Slice())).total == 0

    # -- searches ------------------------------------------------------------------------------------------

    async def test_look_ups_find_what_is_equal(self, directory: Directory):
        """Names and addresses in any case, external ids exactly."""
        jo = await directory.create_user(
            user("Jo", externalId="AbC", emails=[{"value": "Jo@Example.com"}, {"value": "jo@home.example"}])
        )
        await directory.create_user(user("Jim", externalId="abc", emails=[{"value": "jo@example.org"}]))
        sales = await directory.create_group(group("Sales", externalId="AbC"), [])
        await directory.create_group(group("sales"), [])

        async def found(resource_name: ResourceName, access: Access, value: str) -> list[str]:
            page = await directory.find(resource_name, Plan(access, value), Slice())
            assert len(page.documents) == page.total
            return ids(page)

        assert [jo.id] == await found(USER, Access.ID, jo.id)
        assert [jo.id] == await found(USER, Access.USER_NAME, "JO")
        assert [jo.id] == await found(USER, Access.EXTERNAL_ID, "AbC")
        assert await found(USER, Access.EXTERNAL_ID, "ABC") == []
        assert [jo.id] == await found(USER, Access.EMAIL, "jo@EXAMPLE.com")
        assert [jo.id] == await found(USER, Access.EMAIL, "jo@home.example")
        assert await found(USER, Access.EMAIL, "jo@home") == []
        assert [sales.id] == await found(GROUP, Access.EXTERNAL_ID, "AbC")
        assert len(await found(GROUP, Access.DISPLAY_NAME, "SALES")) == 2
        assert await found(GROUP, Access.ID, jo.id) == []
        assert await found(USER, Access.NOTHING, "") == []

    async def test_prefixes_are_found(self, directory: Directory):
        """In any case, and with characters that keys escape."""
        for name in ("Ana", "anabel", "Ben", "an", "an ä'%"):
            await directory.create_user(user(name))
            await directory.create_group(group(name), [])

        for prefix, expected in (("AN", 4), ("ana", 2), ("an ", 1), ("An Ä'", 1), ("z", 0)):
            page = await directory.find(USER, Plan(Access.USER_NAME_PREFIX, prefix), Slice())
            assert (expected, expected) == (page.total, len(page.documents)), prefix
            page = await directory.find(GROUP, Plan(Access.DISPLAY_NAME_PREFIX, prefix), Slice())
            assert (expected, expected) == (page.total, len(page.documents)), prefix

    async def test_very_long_names_are_found(self, directory: Directory):
        """Beyond what a key holds, by equality and by prefix."""
        one, other = "n" * 900 + "1", "n" * 900 + "2"
        first = await directory.create_user(user(one))
        await directory.create_user(user(other))

        assert [first.id] == ids(await directory.find(USER, Plan(Access.USER_NAME, one.upper()), Slice()))
        prefix = Plan(
            Access.USER_NAME_PREFIX,
            one,
            predicate=lambda content: content["userName"].startswith(one),
        )
        assert [first.id] == ids(await directory.find(USER, prefix, Slice()))

    async def test_the_predicate_decides(self, directory: Directory):
        """Rows that an access reads are candidates only."""
        jo = await directory.create_user(user("jo", externalId="x", active=False))

        for plan in (
            Plan(Access.ID, jo.id),
            Plan(Access.USER_NAME, "jo"),
            Plan(Access.USER_NAME_PREFIX, "j"),
            Plan(Access.EXTERNAL_ID, "x"),
            EVERYTHING,
        ):
            for active, expected in ((False, [jo.id]), (True, [])):
                asked = Plan(
                    plan.access,
                    plan.value,
                    predicate=lambda content, active=active: content["active"] is active,
                )
                page = await directory.find(USER, asked, Slice())
                assert (expected, len(expected)) == (ids(page), page.total), plan

    async def test_membership_is_found_from_both_sides(self, directory: Directory):
        """Members of a group, groups of a member, and the question whether one is in the other."""
        a, b, c = await make_users(directory, "a", "b", "c")
        one = (await directory.create_group(group("one"), [Member(a), Member(b)])).id
        two = (await directory.create_group(group("two"), [Member(b), Member(one)])).id

        async def found(resource_name: ResourceName, plan: Plan, part: Slice = PAGE) -> tuple[list[str], int]:
            page = await directory.find(resource_name, plan, part)
            return ids(page), page.total

        assert ([one], 1) == await found(GROUP, Plan(Access.MEMBER, one, a))
        assert await found(GROUP, Plan(Access.MEMBER, one, c)) == ([], 0)
        assert await found(GROUP, Plan(Access.MEMBER, one, "nonsense")) == ([], 0)
        assert ([two], 1) == await found(GROUP, Plan(Access.MEMBER, two, one))
        assert (sorted([one, two]), 2) == await found(GROUP, Plan(Access.GROUPS_OF, b))
        assert await found(GROUP, Plan(Access.GROUPS_OF, c)) == ([], 0)
        assert await found(GROUP, Plan(Access.GROUPS_OF, "nonsense")) == ([], 0)
        assert ([a, b], 2) == await found(USER, Plan(Access.MEMBERS_OF, one))
        assert ([b], 2) == await found(USER, Plan(Access.MEMBERS_OF, one), Slice(start_index=2))
        assert ([b], 1) == await found(USER, Plan(Access.MEMBERS_OF, two))
        assert await found(USER, Plan(Access.MEMBERS_OF, NOBODY)) == ([], 0)
        named_b = Plan(Access.MEMBERS_OF, one, predicate=lambda content: content["id"] == b)
        assert ([b], 1) == await found(USER, named_b)
        first = await directory.find(USER, Plan(Access.MEMBERS_OF, one), Slice(count=1, by_cursor=True))
        rest = Slice(count=1, by_cursor=True, after=first.next)
        assert ([b], 2) == await found(USER, Plan(Access.MEMBERS_OF, one), rest)
        groups = await directory.read_groups([a, b, c])
        assert {a: [one], b: sorted([one, two]), c: []} == {
            user_id: [item.id for item in items] for user_id, items in groups.items()
        }
        assert await directory.read_groups([]) == {}

    async def test_lists_page_by_index(self, directory: Directory):
        """RFC 7644 §3.4.2.4: every resource once, in an order that stays, and the exact total."""
        expected = await make_users(directory, *(f"user{number}" for number in range(25)))
        await directory.create_group(group("g"), [])

        pages = [
            await directory.find(USER, EVERYTHING, Slice(start_index=start, count=10))
            for start in (1, 11, 21, 26, 1000)
        ]

        assert [page.total for page in pages] == [25] * 5
        assert [len(page.documents) for page in pages] == [10, 10, 5, 0, 0]
        assert expected == [item for page in pages for item in ids(page)]
        assert (
            (page := await directory.find(USER, EVERYTHING, Slice(count=0))).total,
            len(page.documents),
        ) == (25, 0)
        assert expected == ids(await directory.find(USER, EVERYTHING, Slice(count=10**9)))

    @pytest.mark.parametrize(
        "plan",
        [EVERYTHING, Plan(Access.SCAN, predicate=lambda content: "7" not in content["userName"])],
        ids=["all", "filtered"],
    )
    @pytest.mark.parametrize(
        "order",
        [
            {},
            {"sort_by_user_name": True},
            {"sort_by_user_name": True, "descending": True},
            {"sort_key": lambda content: (False, content["title"])},
            {"sort_key": lambda content: (False, content["title"]), "descending": True},
        ],
        ids=["ids", "names", "names descending", "titles", "titles descending"],
    )
    @pytest.mark.parametrize("count", [1, 4, 12, 100])
    async def test_pages_by_index_and_by_cursor_agree(
        self, directory: Directory, plan: Plan, order: dict[str, object], count: int
    ):
        """Each order, filtered or not: the same resources, each once, in the same order."""
        made = await asyncio.gather(
            *(
                directory.create_user(user(f"{'User' if n % 2 else 'user'}{n:02d}", title=f"t{n % 3}"))
                for n in range(12)
            )
        )
        documents = [made for made in made if plan.predicate is None or plan.predicate(made.content)]

        by_index = []
        for start in range(1, len(documents) + count, count):
            page = await directory.find(USER, plan, Slice(start_index=start, count=count, **order))
            assert len(documents) == page.total
            by_index += page.documents
        by_cursor, after, pages = [], None, 0
        while pages == 0 or after is not None:
            page = await directory.find(USER, plan, Slice(count=count, by_cursor=True, after=after, **order))
            assert page.total in {len(documents), None}
            by_cursor += page.documents
            after, pages = page.next, pages + 1

        assert sorted(document.id for document in documents) == sorted(item.id for item in by_index)
        assert [item.id for item in by_index] == [item.id for item in by_cursor]
        assert pages == max(1, -(-len(documents) // count))
        if order.get("sort_by_user_name"):
            found = [item.content["userName"].lower() for item in by_index]
            assert sorted(found, reverse=bool(order.get("descending"))) == found
        if "sort_key" in order:
            titles = [item.content["title"] for item in by_index]
            assert sorted(titles, reverse=bool(order.get("descending"))) == titles

    async def test_a_cursor_survives_the_deletion_of_its_resource(self, directory: Directory):
        """RFC 9865: what exists all the time comes exactly once."""
        expected = await make_users(directory, *(f"user{number}" for number in range(6)))
        first = await directory.find(USER, EVERYTHING, Slice(count=2, by_cursor=True))
        for user_id in ids(first):
            await directory.delete_user(await directory.read(USER, user_id))

        rest = await directory.find(USER, EVERYTHING, Slice(count=9, by_cursor=True, after=first.next))

        assert (expected[:2], expected[2:], None) == (ids(first), ids(rest), rest.next)

    @pytest.mark.parametrize("position", [1, "x", [], {}, {"key": 1}, {"key": "g_"}, {"id": 1, "sort": 2}])
    @pytest.mark.parametrize("order", [{}, {"sort_key": lambda content: content["userName"]}])
    async def test_a_strange_position_is_refused(
        self, directory: Directory, position: object, order: dict[str, object]
    ):
        """RFC 9865 §2.2: invalidCursor."""
        await directory.create_user(user("jo"))
        with pytest.raises(InvalidCursorException):
            await directory.find(USER, EVERYTHING, Slice(by_cursor=True, after=position, **order))

    async def test_counting_by_cursor_reads_no_page(self, directory: Directory):
        """A count of 0 gives the total and no cursor, so that no client loops."""
        await make_users(directory, "a", "b")
        page = await directory.find(USER, EVERYTHING, Slice(count=0, by_cursor=True))

        assert (page.total, len(page.documents), page.next) == (2, 0, None)


class ScanLimitContract:
    """Subclass with a fixture ``directory`` whose searches read 10 resources at most."""

    async def test_a_scan_stops_at_its_limit(self, directory: Directory):
        """RFC 7644 §3.12 tooMany beyond it; at it, an answer."""
        await make_users(directory, *(f"user{number}" for number in range(10)))
        nobody = Plan(Access.SCAN, predicate=lambda _: False)
        assert (await directory.find(USER, nobody, Slice())).total == 0

        await directory.create_user(user("one more"))
        for plan in (nobody, Plan(Access.USER_NAME_PREFIX, "")):
            with pytest.raises(TooManyException):
                await directory.find(USER, plan, Slice())
        with pytest.raises(TooManyException):
            await directory.find(USER, EVERYTHING, Slice(sort_key=lambda content: content["userName"]))
        with pytest.raises(TooManyException):
            await directory.find(USER, EVERYTHING, Slice(start_index=12, sort_by_user_name=True))

    async def test_an_indexed_search_and_a_list_have_no_such_limit(self, directory: Directory):
        """They read what they return."""
        await make_users(directory, *(f"user{number}" for number in range(12)))

        assert (await directory.find(USER, Plan(Access.USER_NAME, "user7"), Slice())).total == 1
        assert len((await directory.find(USER, EVERYTHING, Slice())).documents) == 12

    async def test_a_cursor_passes_the_limit_in_several_pages(self, directory: Directory):
        """Each reads a bounded number of resources, and may have no match at all."""
        expected = await make_users(directory, *(f"user{number}" for number in range(25)))
        plan = Plan(Access.SCAN, predicate=lambda content: content["id"] == expected[-1])
        found, after, pages = [], None, 0
        while pages == 0 or after is not None:
            page = await directory.find(USER, plan, Slice(count=1, by_cursor=True, after=after))
            found, after, pages = found + ids(page), page.next, pages + 1
            assert pages < 10

        assert expected[-1:] == found
