"""The form of our secrets. Pure. ``docs/reference/secret-token-format.md`` documents it for secret scanners.

``scimgw_<tenant hint>_<credential id>_<secret><checksum>``: a fixed prefix and a checksum let a scanner tell
a real one from chance; hint and id tell whoever finds one which credential to revoke, and nothing else.
"""

import base64
import re
import zlib
from dataclasses import dataclass, field
from enum import StrEnum

SECRET_BYTES = 32
CREDENTIAL_ID_BYTES = 8
_CHECKSUM_LENGTH = 6  # 62**6 > 2**32: a CRC-32 fits
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_FORM = re.compile(
    r"(?P<prefix>scimgws?)_(?P<hint>[0-9a-f]{8})_(?P<id>[0-9a-f]{16})_"
    r"(?P<secret>[A-Za-z0-9_-]{43})(?P<checksum>[0-9A-Za-z]{6})\Z"
)
# Longer than any of ours, by far less than what would be work to look at.
_LENGTH = len("scimgws_") + 8 + 1 + 16 + 1 + 43 + _CHECKSUM_LENGTH

CREDENTIAL_ID = re.compile(r"[0-9a-f]{16}\Z")


class Prefix(StrEnum):
    """What a secret is for: a client secret is no bearer token, and the other way round."""

    SECRET_TOKEN = "scimgw"  # noqa: S105 - public by design
    CLIENT_SECRET = "scimgws"  # noqa: S105 - public by design


@dataclass(frozen=True, slots=True)
class ParsedSecret:
    """A well-formed secret; whether it is a valid one only its digest can tell.

    Attributes:
        prefix: What it is for.
        tenant_hint: First eight digits of the tenant's id.
        credential_id: Whose secret it claims to be.
        secret: The random part, as written. Not shown by ``repr``.
    """

    prefix: Prefix
    tenant_hint: str
    credential_id: str
    secret: str = field(repr=False)


def render_secret(prefix: Prefix, tenant_id: str, credential_id: str, random: bytes) -> str:
    """Write a secret.

    Args:
        prefix: What it is for.
        tenant_id: Canonical GUID.
        credential_id: 16 hexadecimal digits.
        random: ``SECRET_BYTES`` bytes from a cryptographic source.
    """
    secret = base64.urlsafe_b64encode(random).rstrip(b"=").decode("ascii")
    text = f"{prefix}_{tenant_id[:8]}_{credential_id}_{secret}"
    return text + _render_checksum(text)


def parse_secret(text: str) -> ParsedSecret | None:
    """Read a secret, or return None where it is not one of ours or was mistyped."""
    if len(text) > _LENGTH:
        return None
    found = _FORM.match(text)
    if found is None or found["checksum"] != _render_checksum(text[:-_CHECKSUM_LENGTH]):
        return None
    return ParsedSecret(Prefix(found["prefix"]), found["hint"], found["id"], found["secret"])


def _render_checksum(text: str) -> str:
    """Return the CRC-32 of the text in base 62, most significant digit first, padded to six."""
    rest = zlib.crc32(text.encode("ascii"))
    digits = []
    for _ in range(_CHECKSUM_LENGTH):
        rest, digit = divmod(rest, 62)
        digits.append(_BASE62[digit])
    return "".join(reversed(digits))
