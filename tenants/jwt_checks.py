"""JWTs from outside (RFC 7519, as RFC 8725 wants them checked). Pure: the caller brings keys and clock.

The steps, in this order, and none may be left out: ``parse_jwt``, which proves nothing; ``check_signature``
with a key that the caller chose; ``check_claims``. The library does the cryptography. What is stricter here:

- the length is bounded, and each JSON object names a member once;
- ``crit`` and ``b64`` are refused: we understand no extension;
- a key comes from the caller. ``jwk``, ``jku``, ``x5u`` and ``x5c`` in the header are never looked at;
- the algorithm must be one of the key's own, so neither ``none`` nor an HMAC with a public key gets anywhere;
- an audience is one value, so that a token for two services is nobody's.
"""

import base64
import json
import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from jwt import PyJWS
from jwt.exceptions import PyJWTError

from tenants.jwks import EC_ALGORITHMS, RSA_ALGORITHMS, PublicKey

# Longest token looked at, in characters. Entra's have 1,500 to 2,500; ours about 600.
JWT_LENGTH_MAX = 8_192

# Longest `kid`; the usual ones are thumbprints of 43 characters.
KID_LENGTH_MAX = 256

# How far the clock of whoever signed may be off, in seconds.
LEEWAY_SECONDS = 60.0

_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\Z")
_JWS = PyJWS(algorithms=sorted(EC_ALGORITHMS | RSA_ALGORITHMS))


class InvalidJwt(Exception):
    """The token proves nothing. The text is for the log: it names a rule, never a value."""


@dataclass(frozen=True, slots=True)
class Jwt:
    """A parsed token. What it claims is not true before its signature is checked.

    Attributes:
        header: JOSE header.
        claims: Claims set.
        text: The token, for the signature. Not printed.
    """

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    text: str = field(repr=False)

    @property
    def kid(self) -> str:
        """Which key the signer says it used; empty if it does not say."""
        return str(self.header.get("kid", ""))


def parse_jwt(text: str) -> Jwt:
    """Parse a signed JWT in compact form.

    Raises:
        InvalidJwt: It is none, or one that we do not take.
    """
    if len(text) > JWT_LENGTH_MAX:
        raise InvalidJwt("too long")
    if not _COMPACT.match(text):
        raise InvalidJwt("not a compact JWS")
    header_text, claims_text, _ = text.split(".")
    header = _parse_object(header_text, "header")
    if "crit" in header or "b64" in header:
        raise InvalidJwt("an extension that we do not understand")
    kid = header.get("kid", "")
    if not isinstance(kid, str) or len(kid) > KID_LENGTH_MAX:
        raise InvalidJwt("kid is no short text")
    return Jwt(header, _parse_object(claims_text, "claims"), text)


def _parse_object(encoded: str, what: str) -> dict[str, Any]:
    try:
        raw = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
        found = json.loads(raw.decode("utf-8"), object_pairs_hook=_distinct, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise InvalidJwt(f"{what}: no JSON object that names each member once") from error
    if not isinstance(found, dict):
        raise InvalidJwt(f"{what}: no JSON object")
    return found


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member twice")
    return found


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def check_signature(jwt: Jwt, key: PublicKey, algorithms: Collection[str]) -> None:
    """Check a token's signature with one key.

    Args:
        jwt: What to check.
        key: A key of whoever must have signed, chosen by us.
        algorithms: Those that the caller takes; the key allows some of them.

    Raises:
        InvalidJwt: This key did not sign it with such an algorithm.
    """
    algorithm = jwt.header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in key.algorithms or algorithm not in algorithms:
        raise InvalidJwt("alg is not one of the key's")
    try:
        _JWS.decode_complete(jwt.text, key.key, algorithms=[algorithm])
    except PyJWTError as error:
        raise InvalidJwt("signature") from error


def check_claims(claims: Mapping[str, Any], *, issuer: str, audiences: Collection[str], now: float) -> None:
    """Check who issued a token, for whom, and for when.

    Args:
        claims: Of a token whose signature is checked.
        issuer: The only ``iss`` taken.
        audiences: One of these must be the ``aud``.
        now: Seconds since 1970.

    Raises:
        InvalidJwt: A claim is missing, of the wrong type, or says otherwise.
    """
    if claims.get("iss") != issuer:
        raise InvalidJwt("iss")
    if _audience(claims) not in audiences:
        raise InvalidJwt("aud")
    if get_time(claims, "exp") <= now - LEEWAY_SECONDS:
        raise InvalidJwt("exp")
    for name in ("nbf", "iat"):
        if name in claims and get_time(claims, name) > now + LEEWAY_SECONDS:
            raise InvalidJwt(name)


def _audience(claims: Mapping[str, Any]) -> str:
    audience = claims.get("aud")
    if isinstance(audience, list) and len(audience) == 1:
        audience = audience[0]
    return audience if isinstance(audience, str) else ""


def get_time(claims: Mapping[str, Any], name: str) -> float:
    """Return a NumericDate (RFC 7519 §2).

    Raises:
        InvalidJwt: The claim is missing or no finite number.
    """
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidJwt(name)
    return value


def get_text(claims: Mapping[str, Any], name: str) -> str:
    """Return a claim that must be a text.

    Raises:
        InvalidJwt: The claim is missing, empty or no text.
    """
    value = claims.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidJwt(name)
    return value
