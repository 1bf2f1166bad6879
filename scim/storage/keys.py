"""Row keys of a tenant's partition. Pure.

Rules of this file:

- A key consists of ``a-z 0-9 . _ @ + - = ~ !`` and is at most 512 characters: no quote, comma, slash, per
  cent sign or control character ever reaches a key, so no service or emulator can misread one.
- It starts with a letter that names the kind of row. ``!`` ends a variable part; it sorts below every
  character that a part can hold. ``~`` sorts above them all and closes a range.
- Texts that SCIM compares without case are folded before they are encoded; ``externalId`` is not
  (RFC 7643 §3.1: caseExact).
"""

import hashlib
import unicodedata
from typing import Final
from uuid import UUID

# Longest encoded text kept as it is, in characters. A key holds one text and one id at most: 2 + 400 + 1 + 32
# is below the 512 that Azurite allows (the service itself: 1 KiB).
ENCODED_LENGTH_MAX: Final = 400

# What is kept of a longer one, in front of its digest: enough to look up by prefix.
ENCODED_PREFIX_LENGTH: Final = 300

# The head row of the change feed: counts and the last sequence. It sorts before every outbox row.
HEAD: Final = "o!"

# How far the users' roles were decided. It sorts before every user's row.
ROLE_PROGRESS: Final = "r!"

# From the head to the last outbox row.
OUTBOX_RANGE: Final = ("o!", "o`")

# All rows of a partition.
EVERYTHING: Final = ("", "~")

_KEPT: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789._@+-")
_ESCAPES: Final = tuple(f"={octet:02x}" for octet in range(256))
_FEED_DIGITS: Final = 16


def fold(text: str) -> str:
    """Return the form in which texts are compared that are not caseExact (RFC 7643 §2.2).

    Case is folded and accents are composed, so that every spelling of one name is one key.
    """
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def encode(text: str) -> str:
    """Return ``text`` in the alphabet of keys. Different texts give different results.

    Every UTF-8 byte outside ``a-z 0-9 . _ @ + -`` becomes ``=hh``. A result over 400 characters is replaced
    by its first 300, ``=~`` and the text's SHA-256 in hexadecimal. Lone surrogates are encoded too, never
    refused.
    """
    if _KEPT.issuperset(text):
        encoded = text
    else:
        encoded = "".join([_encode_character(character) for character in text])
    if len(encoded) <= ENCODED_LENGTH_MAX:
        return encoded
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{encoded[:ENCODED_PREFIX_LENGTH]}=~{digest}"


def _encode_character(character: str) -> str:
    if character in _KEPT:
        return character
    return "".join([_ESCAPES[octet] for octet in character.encode("utf-8", "surrogatepass")])


def partition(tenant_id: str) -> str:
    """Return the partition key of a tenant, given its GUID with dashes."""
    return "t" + tenant_id.replace("-", "").lower()


def tenant_id(partition_key: str) -> str:
    """Return the tenant's GUID with dashes, given its partition key."""
    return str(UUID(partition_key[1:]))


def user(user_id: str) -> str:
    """Key of a user's primary row."""
    return f"u_{user_id}"


def user_name(value: str) -> str:
    """Key of the full copy of a user under the folded ``userName``. Creating it makes the name unique."""
    return f"n_{encode(fold(value))}"


def external_id(value: str, resource_id: str) -> str:
    """Key of the index row of an ``externalId``, which need not be unique."""
    return f"x_{encode(value)}!{resource_id}"


def email(value: str, user_id: str) -> str:
    """Key of the index row of one e-mail address."""
    return f"e_{encode(fold(value))}!{user_id}"


def group(group_id: str) -> str:
    """Key of a group's primary row."""
    return f"g_{group_id}"


def display_name(value: str, group_id: str) -> str:
    """Key of the index row of a group's ``displayName``."""
    return f"d_{encode(fold(value))}!{group_id}"


def member(group_id: str, member_id: str) -> str:
    """Key of the row that makes ``member_id`` a direct member of the group."""
    return f"m_{group_id}!{member_id}"


def membership(member_id: str, group_id: str) -> str:
    """Key of the reverse row: the groups of a member."""
    return f"w_{member_id}!{group_id}"


def outbox(operation: str) -> str:
    """Key of the event that the mutation ``operation`` writes in its own transaction."""
    return f"o_{operation}"


def feed(sequence: int) -> str:
    """Key of a row of the ordered change feed; ``sequence`` is 1 or more."""
    return f"f_{sequence:0{_FEED_DIGITS}d}"


def feed_sequence(row_key: str) -> int:
    """Return the sequence of a feed row's key."""
    return int(row_key[2:])


def journal(operation: str) -> str:
    """Key of the journal of a large membership change."""
    return f"j_{operation}"


def role_claim(owner: str) -> str:
    """Key of the row that lets one pass decide roles; ``owner`` is hexadecimal."""
    return f"r!{owner}"


def role(user_id: str) -> str:
    """Key of what a user is in the vendor's application."""
    return f"r_{user_id}"


def role_of_group(group_id: str, user_id: str) -> str:
    """Key of the row that says that a user's roles come from this group."""
    return f"q_{group_id}!{user_id}"


def roles_of_group_range(group_id: str) -> tuple[str, str]:
    """Return the range of the users whose roles come from this group."""
    return range_of(f"q_{group_id}!")


def range_of(prefix: str) -> tuple[str, str]:
    """Return the range of the keys that start with ``prefix`` and go on: from (inclusive), to (exclusive)."""
    return prefix, prefix + "~"


def external_id_range(value: str) -> tuple[str, str]:
    """Return the range of the index rows of one ``externalId``."""
    return range_of(f"x_{encode(value)}!")


def email_range(value: str) -> tuple[str, str]:
    """Return the range of the index rows of one e-mail address."""
    return range_of(f"e_{encode(fold(value))}!")


def display_name_range(value: str) -> tuple[str, str]:
    """Return the range of the index rows of one group name."""
    return range_of(f"d_{encode(fold(value))}!")


def user_name_prefix_range(prefix: str) -> tuple[str, str]:
    """Return a range that holds every user whose folded name starts with the folded ``prefix``."""
    return range_of(f"n_{_encode_prefix(prefix)}")


def display_name_prefix_range(prefix: str) -> tuple[str, str]:
    """Return a range that holds every group whose folded name starts with the folded ``prefix``."""
    return range_of(f"d_{_encode_prefix(prefix)}")


def _encode_prefix(prefix: str) -> str:
    # A name longer than the limit keeps only this much of its own text in its key.
    encoded = "".join([_encode_character(character) for character in fold(prefix)])
    return encoded[:ENCODED_PREFIX_LENGTH]


def members_range(group_id: str) -> tuple[str, str]:
    """Return the range of a group's member rows, in the order of the members' ids."""
    return range_of(f"m_{group_id}!")


def memberships_range(member_id: str) -> tuple[str, str]:
    """Return the range of a member's reverse rows, in the order of the groups' ids."""
    return range_of(f"w_{member_id}!")


def last_part(row_key: str) -> str:
    """Return what follows the last ``!``, or the prefix where there is none: the id that the row is about."""
    head, mark, tail = row_key.rpartition("!")
    return tail if mark else head + row_key[2:]
