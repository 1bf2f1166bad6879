"""What goes over the wire in each dialect, and the model that it is held against. Pure."""

from string import ascii_letters

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scimgw.simulate import attributes as a
from scimgw.simulate import okta_bodies
from scimgw.simulate.answer import Problem
from scimgw.simulate.changes import DECK, AttributeChange, Happening, happenings_for, plan_change, split_team
from scimgw.simulate.checks import check_attributes, check_members
from scimgw.simulate.entra_bodies import Dialect, Writer, render_group, render_user
from scimgw.simulate.model import make_model
from scimgw.simulate.people import make_people, make_teams
from scimgw.simulate.record import Record, percentile

LEGACY, COMPLIANT = Writer(Dialect.LEGACY), Writer(Dialect.COMPLIANT)
JO = {a.USER_NAME: "jo@x", a.ACTIVE: True, a.TITLE: "Nurse", a.FAMILY_NAME: "Young", a.WORK_EMAIL: "jo@x"}

texts = st.text(ascii_letters + "é '\"+&", min_size=1, max_size=10)
users = st.fixed_dictionaries(
    {},
    optional={path: st.booleans() if path == a.ACTIVE else texts for path in a.MAPPED},
)


@given(users)
def test_a_user_reads_back_as_it_was_written(user):
    """Flat to nested to flat loses nothing: the model and the wire say the same."""
    assert list(check_attributes(a.nest(user), user)) == []


@given(users, users)
def test_a_change_sets_clears_and_keeps(before, sets):
    clears = tuple(path for path in list(before)[:2] if path not in sets)

    after = AttributeChange(sets, clears).apply(before)

    for path in a.MAPPED:
        expected = sets.get(path, None if path in clears else before.get(path))
        assert after.get(path) == expected


@given(users, st.sampled_from(a.MAPPED))
def test_any_lost_or_changed_value_is_told(user, path):
    document = a.nest({name: value for name, value in user.items() if name != path})

    problems = list(check_attributes(document, user))

    assert [problem.about for problem in problems] == ([path] if path in user else [])


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ("False", "is 'False', expected False"),
        (0, "is 0, expected False"),
        (None, "is missing, expected False"),
        (False, ""),
    ],
)
def test_a_boolean_is_a_boolean(found, told):
    """A text in its place makes Entra see a change for ever."""
    problems = list(check_attributes({"active": found}, {a.ACTIVE: False}))

    assert told in (problems[0].text if problems else "")


@pytest.mark.parametrize("nothing", [None, "", []])
def test_null_and_empty_are_no_values(nothing):
    """RFC 7643 §2.5."""
    assert list(check_attributes({"title": nothing}, {})) == []


def test_type_values_are_compared_without_case():
    document = {"phoneNumbers": [{"type": "Mobile", "value": "1"}]}

    assert list(check_attributes(document, {a.MOBILE_PHONE: "1"})) == []


def test_a_manager_must_be_an_object():
    """A string makes Entra reject the whole resource."""
    as_text = {a.ENTERPRISE: {"manager": "m1"}}

    assert [problem.about for problem in check_attributes(as_text, {a.MANAGER: "m1"})] == [a.MANAGER]
    assert list(check_attributes({a.ENTERPRISE: {"manager": {"value": "m1"}}}, {a.MANAGER: "m1"})) == []


def test_members_lost_added_and_doubled_are_told_apart():
    document = {"members": [{"value": "a"}, {"value": "a"}, {"value": "old"}, {"value": "x"}]}

    problems = {problem.about for problem in check_members(document, {"a", "b"}, tolerated={"old"})}

    assert problems == {"members lost", "members not removed", "members twice"}
    assert list(check_members({}, set())) == []
    assert [p.about for p in check_members({"members": ["a"]}, {"a"})] == ["members"]


# -- Entra ---------------------------------------------------------------


def test_legacy_writes_capitals_one_operation_an_attribute_and_texts():
    change = AttributeChange({a.ACTIVE: False, a.TITLE: "Boss", a.MOBILE_PHONE: "1"}, (a.FAMILY_NAME,))

    assert LEGACY.render_change(JO, change)["Operations"] == [
        {"op": "Replace", "path": "active", "value": "False"},
        {"op": "Replace", "path": "title", "value": "Boss"},
        {"op": "Add", "path": 'phoneNumbers[type eq "mobile"].value', "value": "1"},
        {"op": "Remove", "path": "name.familyName"},
    ]


def test_the_flag_gathers_what_needs_no_filter():
    change = AttributeChange(
        {a.ACTIVE: False, a.FAMILY_NAME: "Old", a.DEPARTMENT: "IT", a.WORK_EMAIL: "k@x", a.MOBILE_PHONE: "1"}
    )

    assert COMPLIANT.render_change(JO, change)["Operations"] == [
        {"op": "add", "value": {a.DEPARTMENT: "IT"}},
        {"op": "replace", "value": {"active": False, "name.familyName": "Old"}},
        {"op": "replace", "path": 'emails[type eq "work"].value', "value": "k@x"},
        {"op": "add", "path": 'phoneNumbers[type eq "mobile"].value', "value": "1"},
    ]


@pytest.mark.parametrize(("writer", "op"), [(LEGACY, "Add"), (COMPLIANT, "add")])
def test_a_manager_is_sent_as_text_and_cleared_with_nothing(writer, op):
    sets = writer.render_change(JO, AttributeChange({a.MANAGER: "m1"}))
    clears = writer.render_change(JO | {a.MANAGER: "m1"}, AttributeChange(clears=(a.MANAGER,)))

    assert sets["Operations"] == [{"op": op, "path": a.MANAGER, "value": "m1"}]
    assert clears["Operations"][0]["value"] == ""
    assert clears["Operations"][0]["op"].lower() == "replace"


def test_members_are_removed_by_list_or_by_filter():
    (_, legacy), *rest = LEGACY.render_removed_members(["x", "y"])
    ((ids, compliant),) = COMPLIANT.render_removed_members(["x", "y"])

    values = [{"$ref": None, "value": "x"}, {"$ref": None, "value": "y"}]
    assert rest == []
    assert legacy["Operations"] == [{"op": "Remove", "path": "members", "value": values}]
    assert list(ids) == ["x", "y"]
    assert compliant["Operations"] == [
        {"op": "remove", "path": 'members[value eq "x"]'},
        {"op": "remove", "path": 'members[value eq "y"]'},
    ]


@pytest.mark.parametrize("writer", [LEGACY, COMPLIANT])
@pytest.mark.parametrize("count", [0, 1, 10, 11, 100, 101, 250])
def test_batches_cover_every_member_once(writer, count):
    ids = [str(number) for number in range(count)]

    for render in (writer.render_added_members, writer.render_removed_members):
        batches = render(ids)
        assert [i for batch, _ in batches for i in batch] == ids
        assert all(len(body["Operations"]) <= 10 for _, body in batches)


def test_a_new_user_has_no_manager_and_empty_roles():
    body = render_user(JO | {a.MANAGER: "m1"})

    assert a.ENTERPRISE not in body
    assert body["roles"] == []
    assert body["emails"] == [{"type": "work", "primary": True, "value": "jo@x"}]


def test_a_new_group_carries_the_schema_that_nobody_knows():
    body = render_group("Sales", "e1")

    assert "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group" in body["schemas"]
    assert "members" not in body


# -- Okta ----------------------------------------------------------------


def test_okta_puts_back_what_it_read_with_its_changes():
    stored = {"schemas": [a.USER], "id": "u1", "meta": {"version": "v"}, "title": "Old", "nickName": "J"}

    body = okta_bodies.render_replacement(stored | {"groups": [{"value": "g"}]}, JO)

    assert body["id"] == "u1"
    assert body["meta"] == {"version": "v"}
    assert body["nickName"] == "J"
    assert body["title"] == "Nurse"
    assert body["groups"] == []


def test_okta_clears_by_leaving_out():
    stored = {"schemas": [a.USER], "title": "Old", "phoneNumbers": [{"type": "work", "value": "1"}]}

    body = okta_bodies.render_replacement(stored, {a.USER_NAME: "jo@x"})

    assert "title" not in body
    assert "phoneNumbers" not in body


def test_okta_changes_members_and_names_in_its_shapes():
    change = okta_bodies.render_membership([("a", "A")], ["b"])["Operations"]

    assert change == [
        {"op": "remove", "path": 'members[value eq "b"]'},
        {"op": "add", "path": "members", "value": [{"value": "a", "display": "A"}]},
    ]
    assert okta_bodies.render_full_push([])["Operations"] == [
        {"op": "replace", "path": "members", "value": []}
    ]
    rename = okta_bodies.render_rename("g1", "New")["Operations"]
    assert rename == [{"op": "replace", "value": {"id": "g1", "displayName": "New"}}]
    assert okta_bodies.render_active(active=False)["Operations"] == [
        {"op": "replace", "value": {"active": False}}
    ]


# -- people and what happens to them ------------------------------------


def test_people_are_the_seeds_and_the_prefixs():
    assert make_people(1, "p", 50) == make_people(1, "p", 50)
    assert make_people(1, "p", 50) != make_people(2, "p", 50)
    assert make_people(1, "p", 50) != make_people(1, "q", 50)
    assert make_teams(1, "p", 5, 50, 10) == make_teams(1, "p", 5, 50, 10)


def test_names_are_distinct_whatever_their_case():
    people = make_people(3, "run", 2_000)

    names = [str(person.attributes[a.USER_NAME]).casefold() for person in people]
    assert len(set(names)) == len(names)
    assert all(name.startswith("run.") for name in names)
    assert len({person.attributes[a.EXTERNAL_ID] for person in people}) == len(people)


def test_names_hold_what_servers_stumble_over():
    names = " ".join(str(person.attributes[a.USER_NAME]) for person in make_people(1, "", 200))

    assert all(character in names for character in "'+#-")
    assert not names.isascii()


def test_mail_addresses_are_plain():
    for person in make_people(1, "p", 500):
        local, _, domain = str(person.attributes[a.WORK_EMAIL]).partition("@")
        assert domain == "example.com"
        assert local.isascii()
        assert all(part for part in local.split("."))


def test_everybody_but_the_head_has_a_manager_made_before():
    people = make_people(1, "", 100)

    assert people[0].manager is None
    assert all(person.manager < index for index, person in enumerate(people) if index)


def test_teams_have_distinct_names_and_as_many_members_as_there_are():
    teams = make_teams(1, "p", 40, 7, 10)

    assert len({team.display_name for team in teams}) == 40
    assert all(sorted(set(team.members)) == list(team.members) == list(range(7)) for team in teams)


def test_everything_happens_to_somebody():
    happened = {happening for index in range(len(DECK)) for happening in happenings_for(index)}

    assert happened == set(Happening)


@pytest.mark.parametrize(
    "happening", [Happening.MARRIAGE, Happening.NEW_ROLE, Happening.MOVE, Happening.PROMOTION]
)
def test_a_happening_changes_something(happening):
    for index, person in enumerate(make_people(1, "p", 30)):
        change = plan_change(happening, person.attributes, 1, "p", index)
        assert change.apply(person.attributes) != person.attributes


def test_a_name_changes_with_all_that_is_made_of_it():
    person = make_people(1, "p", 5)[3]

    after = plan_change(Happening.MARRIAGE, person.attributes, 1, "p", 3).apply(person.attributes)

    assert str(after[a.USER_NAME]).startswith("p.")
    for path in (a.FAMILY_NAME, a.FORMATTED_NAME, a.DISPLAY_NAME, a.WORK_EMAIL, a.USER_NAME):
        assert after[path] != person.attributes[path]


def test_a_happening_of_another_kind_changes_no_attributes():
    with pytest.raises(ValueError, match="deletion"):
        plan_change(Happening.DELETION, JO, 1, "p", 1)


@given(st.frozensets(st.integers(0, 30)), st.dictionaries(st.integers(0, 30), st.booleans()))
def test_leavers_were_members_and_joiners_were_not(members, people):
    leavers, joiners = split_team(members, people, 1, "p", 0)

    assert set(leavers) <= members
    assert bool(leavers) == bool(members)
    assert all(people[joiner] and joiner not in members for joiner in joiners)


def test_a_deleted_user_leaves_its_groups_in_the_model():
    model = make_model(make_people(1, "p", 3), make_teams(1, "p", 1, 3, 3))
    user, group = model.users[1], model.groups[0]
    user.id, group.members = "u1", {0, 1}

    model.forget(user)

    assert group.members == {0}
    assert model.former_ids() == {"u1"}
    assert user.id == ""


# -- the record ----------------------------------------------------------


def test_a_fault_that_stays_is_told_once():
    record = Record()
    fault = [Problem("title", "title is wrong")]

    for _ in range(3):
        record.add("read user", 0.1, subject="jo", request="GET /Users/1", problems=fault, key="user 1")
    record.add("read user", 0.1, subject="al", request="GET /Users/2", problems=fault, key="user 2")

    assert [item.subject for item in record.disagreements] == ["jo", "al"]
    assert record.kinds["read user"].failures == 2
    assert not record.agreed


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        ([], 50, 0.0),
        ([3.0], 99, 3.0),
        ([1.0, 2.0], 50, 1.0),
        ([1.0, 2.0], 95, 2.0),
        (list(range(1, 101)), 95, 95),
    ],
)
def test_percentiles_are_values_that_occurred(values, percent, expected):
    assert percentile(values, percent) == expected
