"""Makes the people and teams that are provisioned. Pure: the same seed and prefix give the same directory."""

from dataclasses import dataclass
from random import Random
from unicodedata import normalize
from uuid import UUID

from scimgw.simulate import words
from scimgw.simulate.attributes import (
    ACTIVE,
    COUNTRY,
    DEPARTMENT,
    DISPLAY_NAME,
    EMPLOYEE_NUMBER,
    EXTERNAL_ID,
    FAMILY_NAME,
    FAX,
    FORMATTED_ADDRESS,
    FORMATTED_NAME,
    GIVEN_NAME,
    LANGUAGE,
    LOCALITY,
    MOBILE_PHONE,
    POSTAL_CODE,
    REGION,
    ROLE,
    STREET,
    TITLE,
    USER_NAME,
    WORK_EMAIL,
    WORK_PHONE,
    Attributes,
    Value,
)

# RFC 2606: belongs to nobody, so that no mail to a simulated person can ever arrive.
DOMAIN = "example.com"
GUEST_DOMAIN = "contoso.onmicrosoft.com"

# One in so many people has a user name that is hard in one way: Entra writes guests with #EXT#.
GUEST_EVERY = 12
PLUS_EVERY = 10
ACCENTS_EVERY = 7
# Managers lead teams of this size.
REPORTS_PER_MANAGER = 8


@dataclass(frozen=True, slots=True)
class Person:
    """One person, as the identity provider knows them at first.

    Attributes:
        attributes: What is provisioned; without the manager, who gets an id only when created.
        manager: Index of the manager among the people; None for the head.
    """

    attributes: Attributes
    manager: int | None


@dataclass(frozen=True, slots=True)
class Team:
    """One group, as the identity provider knows it at first.

    Attributes:
        display_name: Unique in the run.
        external_id: The identity provider's key.
        members: Indexes of people.
    """

    display_name: str
    external_id: str
    members: tuple[int, ...]


def random_for(*parts: object) -> Random:
    """Return a source of choices that depends on ``parts`` alone, so that no order of events matters."""
    return Random(":".join(map(str, parts)))  # noqa: S311 - repeatable choices, no secrets


def make_people(seed: int, prefix: str, count: int) -> list[Person]:
    """Make ``count`` people with distinct user names.

    Args:
        seed: Chooses everything.
        prefix: Starts every user name, so that runs on one server do not meet; may be empty.
        count: How many, 0 or more.
    """
    random = random_for(seed, prefix, "people")
    taken: set[str] = set()
    return [_make_person(random, prefix, index, taken) for index in range(count)]


def make_teams(seed: int, prefix: str, count: int, people: int, members: int) -> list[Team]:
    """Make ``count`` teams with distinct names and up to ``members`` of the ``people`` each."""
    random = random_for(seed, prefix, "teams")
    teams = []
    for index in range(count):
        lap, place = divmod(index, len(words.TEAMS))
        name = prefixed(prefix, words.TEAMS[place] + (f" {lap + 1}" if lap else ""))
        chosen = tuple(sorted(random.sample(range(people), min(members, people))))
        teams.append(Team(name, make_external_id(random), chosen))
    return teams


def prefixed(prefix: str, name: str) -> str:
    """Return a name that shows which run it belongs to."""
    return f"{prefix}.{name}" if prefix else name


def make_external_id(random: Random) -> str:
    """Make an object id as Entra sends it: a GUID."""
    return str(UUID(int=random.getrandbits(128), version=4))


def make_office(random: Random) -> dict[str, Value]:
    """Choose an office: all parts of a work address."""
    street, locality, region, postal_code, country = random.choice(words.OFFICES)
    return {
        STREET: street,
        LOCALITY: locality,
        REGION: region,
        POSTAL_CODE: postal_code,
        COUNTRY: country,
        FORMATTED_ADDRESS: f"{street}\n{postal_code} {locality}",
    }


def make_phone(random: Random) -> str:
    """Make a phone number in one of the ways that people write them."""
    number = random.randrange(10**6)
    return random.choice(
        (
            f"+353 1 555 {number:06}",
            f"tel:+1-201-555-{number % 10**4:04}",
            f"(030) {number:06}-0",
            f"{number:06} ext. 7",
        )
    )


def make_email(given_name: str, family_name: str, tag: str = "") -> str:
    """Make an e-mail address, which holds ASCII letters and digits, ``.``, ``'``, ``-`` and ``+`` only."""
    local = ".".join(map(_ascii, (given_name, family_name)))
    return f"{local}{tag}@{DOMAIN}"


def _make_person(random: Random, prefix: str, index: int, taken: set[str]) -> Person:
    given, family = random.choice(words.GIVEN_NAMES), random.choice(words.FAMILY_NAMES)
    email = make_email(given, family, f"+{index}" if index % PLUS_EVERY == 1 else "")
    if email.casefold() in taken:
        email = make_email(given, family, str(index))
    taken.add(email.casefold())
    attributes: dict[str, Value] = {
        EXTERNAL_ID: make_external_id(random),
        USER_NAME: prefixed(prefix, _make_user_name(index, given, family, email)),
        ACTIVE: True,
        DISPLAY_NAME: f"{given} {family}",
        GIVEN_NAME: given,
        FAMILY_NAME: family,
        FORMATTED_NAME: f"{family}, {given}",
        TITLE: random.choice(words.JOB_TITLES),
        LANGUAGE: random.choice(words.LANGUAGES),
        WORK_EMAIL: email,
        WORK_PHONE: make_phone(random),
        EMPLOYEE_NUMBER: f"{index + 1:05}",
        DEPARTMENT: random.choice(words.DEPARTMENTS),
        **make_office(random),
    }
    if index % 2:
        attributes[MOBILE_PHONE] = make_phone(random)
    if index % 3 == 0:
        attributes[FAX] = make_phone(random)
    if index % 4 == 0:
        attributes[ROLE] = random.choice(words.ROLES)
    return Person(attributes, index // REPORTS_PER_MANAGER if index else None)


def _make_user_name(index: int, given_name: str, family_name: str, email: str) -> str:
    """Make a user name: mostly the e-mail address, now and then something that servers stumble over."""
    if index % GUEST_EVERY == GUEST_EVERY - 1:
        return f"{email.replace('@', '_')}#EXT#@{GUEST_DOMAIN}"
    if index % ACCENTS_EVERY == 2:  # noqa: PLR2004 - any remainder does
        return f"{given_name}.{family_name}{index}@{DOMAIN}".replace(" ", "_")
    return email


def _ascii(name: str) -> str:
    """Return a name in the letters that every mail system takes."""
    decomposed = normalize("NFKD", words.ROMANISED.get(name, name).lower().translate(_UNDECOMPOSED))
    return "".join(c for c in decomposed if c.isascii() and (c.isalnum() or c in "'-"))


# Letters that Unicode does not decompose into a plain one and its accent.
_UNDECOMPOSED = str.maketrans({"ł": "l", "ø": "o", "ß": "ss", "þ": "th", "\u0131": "i"})
