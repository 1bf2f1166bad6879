"""What happens to a person between the first cycle and the next one. Pure: the seed decides."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random

from scimgw.simulate import words
from scimgw.simulate.attributes import (
    DEPARTMENT,
    DISPLAY_NAME,
    FAMILY_NAME,
    FAX,
    FORMATTED_NAME,
    GIVEN_NAME,
    LANGUAGE,
    MOBILE_PHONE,
    ROLE,
    TITLE,
    USER_NAME,
    WORK_EMAIL,
    WORK_PHONE,
    Attributes,
    Value,
)
from scimgw.simulate.people import make_email, make_office, make_phone, prefixed, random_for


class Happening(StrEnum):
    """One thing that happens to a person in the identity provider's directory."""

    PROMOTION = "promotion"
    MARRIAGE = "marriage"
    MOVE = "move"
    NEW_PHONES = "new phones"
    LOST_PHONE = "lost phone"
    NEW_ROLE = "new role"
    NEW_MANAGER = "new manager"
    NO_MANAGER = "no manager"
    LEAVE = "leave"
    RETURN = "return"
    DELETION = "deletion"
    REHIRE = "rehire"


# What happens to whom, by the person's index: with as many people as entries, everything happens.
# The head (index 0) has no manager, so no entry about managers comes first.
DECK: tuple[tuple[Happening, ...], ...] = (
    (Happening.PROMOTION,),
    (Happening.MARRIAGE,),
    (Happening.NEW_PHONES,),
    (Happening.LOST_PHONE,),
    (Happening.NEW_MANAGER,),
    (Happening.NO_MANAGER,),
    (Happening.MOVE, Happening.PROMOTION),
    (Happening.LEAVE, Happening.RETURN),
    (Happening.LEAVE,),
    (Happening.NEW_ROLE,),
    (Happening.LEAVE, Happening.DELETION),
    (Happening.DELETION, Happening.REHIRE),
)


@dataclass(frozen=True, slots=True)
class AttributeChange:
    """Attributes to set and to clear, in one request.

    Attributes:
        sets: New values by path.
        clears: Paths that lose their value.
    """

    sets: Attributes = field(default_factory=dict)
    clears: tuple[str, ...] = ()

    def apply(self, attributes: Attributes) -> dict[str, Value]:
        """Return the attributes as they are after the change."""
        return {path: value for path, value in attributes.items() if path not in self.clears} | dict(
            self.sets
        )


def happenings_for(index: int) -> tuple[Happening, ...]:
    """Return what happens to the person at ``index``, in order."""
    return DECK[index % len(DECK)]


def plan_change(
    happening: Happening, attributes: Attributes, seed: int, prefix: str, index: int
) -> AttributeChange:
    """Decide which attributes a happening changes, for those that change attributes of the person alone."""
    random = random_for(seed, prefix, happening, index)
    match happening:
        case Happening.PROMOTION:
            return AttributeChange(
                {
                    TITLE: f"Lead {random.choice(words.JOB_TITLES)}",
                    DEPARTMENT: random.choice(words.DEPARTMENTS),
                    LANGUAGE: random.choice(words.LANGUAGES),
                }
            )
        case Happening.MARRIAGE:
            return _marriage(attributes, random, prefix, index)
        case Happening.MOVE:
            return AttributeChange({**make_office(random), WORK_PHONE: make_phone(random)})
        case Happening.NEW_PHONES:
            return AttributeChange({MOBILE_PHONE: make_phone(random), FAX: make_phone(random)})
        case Happening.LOST_PHONE:
            return AttributeChange(clears=tuple(p for p in (MOBILE_PHONE, TITLE) if p in attributes))
        case Happening.NEW_ROLE:
            return AttributeChange(
                {ROLE: random.choice([r for r in words.ROLES if r != attributes.get(ROLE)])}
            )
        case _:
            raise ValueError(f"{happening} changes no attributes of its own")


def _marriage(attributes: Attributes, random: Random, prefix: str, index: int) -> AttributeChange:
    """Change the family name, and with it everything that is made of it, the user name included."""
    given = str(attributes[GIVEN_NAME])
    family = random.choice([name for name in words.FAMILY_NAMES if name != attributes[FAMILY_NAME]])
    email = make_email(given, family, f".{index}")
    return AttributeChange(
        {
            FAMILY_NAME: family,
            FORMATTED_NAME: f"{family}, {given}",
            DISPLAY_NAME: f"{given} {family}",
            WORK_EMAIL: email,
            USER_NAME: prefixed(prefix, email),
        }
    )


def split_team(
    members: frozenset[int], people: Mapping[int, bool], seed: int, prefix: str, index: int
) -> tuple[list[int], list[int]]:
    """Choose who leaves and who joins a team in the next cycle.

    Args:
        members: Indexes of the people who are in it.
        people: Whether each person, by index, may join.
        seed: Of the run.
        prefix: Of the run.
        index: Of the team.

    Returns:
        Those who leave and those who join: about a quarter of the team each, at least one if any.
    """
    random = random_for(seed, prefix, "team", index)
    leavers = sorted(members)
    joiners = [person for person, may_join in people.items() if may_join and person not in members]
    share = max(1, len(members) // 4)
    return (
        sorted(random.sample(leavers, min(share, len(leavers)))),
        sorted(random.sample(joiners, min(share, len(joiners)))),
    )
