"""JSON Web Keys (RFC 7517): public keys that we check signatures with, and ours as we publish them. Pure.

Only what this gateway's peers use: EC on P-256 and RSA from 2048 bits. A key decides which algorithms it may
check (RFC 8725 §3.1); a token never does.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import InvalidKeyError
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

# RFC 7518 §3.3 demands 2048 bits. The upper bound keeps one check under a millisecond: the cost of a
# signature check grows with the square of the modulus, and the key is the caller's choice.
RSA_BITS_MIN = 2048
RSA_BITS_MAX = 4096

# Keys looked at in one set. Entra publishes about ten; a set beyond this is cut off, not refused.
SET_KEYS_MAX = 50

# msal signs client assertions with RS256 (key by thumbprint) or PS256 (key by certificate); Entra with RS256.
RSA_ALGORITHMS = frozenset({"RS256", "PS256"})
EC_ALGORITHMS = frozenset({"ES256"})

# Members that hold private or symmetric key material (RFC 7518 §6.2.2, §6.3.2, §6.4).
SECRET_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})

# Members that make a key what it is, in the order in which RFC 7638 §3.2 hashes them.
THUMBPRINT_MEMBERS = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n")}

type JsonWebKey = Mapping[str, Any]


class InvalidJwk(ValueError):
    """Not a public key that this gateway can use. The text says why, and may be shown to the key's sender."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key, and what it may be used for.

    Attributes:
        kid: Its name in its set; the RFC 7638 thumbprint where the set gave none.
        key: The key itself.
        algorithms: JWS algorithms (RFC 7518 §3.1) that it may check.
    """

    kid: str
    key: EllipticCurvePublicKey | RSAPublicKey
    algorithms: frozenset[str]


def parse_public_jwk(jwk: JsonWebKey) -> PublicKey:
    """Parse one public key for signatures.

    Raises:
        InvalidJwk: It is private, symmetric, not for signatures, too weak, or of a type we do not use.
    """
    if SECRET_MEMBERS & jwk.keys():
        raise InvalidJwk("The key holds private members; send the public key only, and replace this one.")
    if jwk.get("use", "sig") != "sig" or "verify" not in jwk.get("key_ops", ("verify",)):
        raise InvalidJwk("The key is not meant for checking signatures (use, key_ops).")
    key, algorithms = _parse_key(jwk)
    if "alg" in jwk:
        algorithms &= {str(jwk["alg"])}
    if not algorithms:
        raise InvalidJwk("The key's alg is none of ES256, RS256 and PS256, or does not fit its kty.")
    return PublicKey(str(jwk.get("kid") or thumbprint(jwk)), key, algorithms)


def _parse_key(jwk: JsonWebKey) -> tuple[EllipticCurvePublicKey | RSAPublicKey, frozenset[str]]:
    try:
        match jwk.get("kty"):
            case "EC":
                key: Any = ECAlgorithm.from_jwk(dict(jwk))
            case "RSA":
                key = RSAAlgorithm.from_jwk(dict(jwk))
            case _:
                raise InvalidJwk("The key's kty is neither EC nor RSA.")
    except (InvalidKeyError, ValueError, TypeError, KeyError, OverflowError) as error:
        if isinstance(error, InvalidJwk):
            raise
        raise InvalidJwk("The key's members do not form a key.") from error
    return key, algorithms_of(key)


def algorithms_of(key: object) -> frozenset[str]:
    """Return the algorithms that a public key may check.

    Raises:
        InvalidJwk: Its curve or size is not one that we use.
    """
    match key:
        case EllipticCurvePublicKey() if isinstance(key.curve, SECP256R1):
            return EC_ALGORITHMS
        case RSAPublicKey() if RSA_BITS_MIN <= key.key_size <= RSA_BITS_MAX:
            return RSA_ALGORITHMS
        case _:
            raise InvalidJwk(f"The key must be EC on P-256, or RSA of {RSA_BITS_MIN}-{RSA_BITS_MAX} bits.")


def parse_jwks(document: object) -> tuple[PublicKey, ...]:
    """Parse somebody else's key set, passing over keys that we cannot use (RFC 7517 §5).

    Raises:
        InvalidJwk: It is no key set at all.
    """
    keys = []
    for jwk in _members(document)[:SET_KEYS_MAX]:
        try:
            keys.append(parse_public_jwk(jwk))
        except InvalidJwk:
            continue
    return tuple(keys)


def parse_registered_jwks(document: object, *, keys_max: int) -> tuple[PublicKey, ...]:
    """Parse the key set that an OAuth client registers: every key must be usable, and their kids differ.

    Args:
        document: A JWK set, parsed.
        keys_max: Most keys that one client may have.

    Raises:
        InvalidJwk: What is wrong, in words for whoever registers the client.
    """
    members = _members(document)
    if not 1 <= len(members) <= keys_max:
        raise InvalidJwk(f"The key set must hold 1 to {keys_max} keys.")
    keys = tuple(map(parse_public_jwk, members))
    if len({key.kid for key in keys}) != len(keys):
        raise InvalidJwk("Two keys of the set have the same kid.")
    return keys


def _members(document: object) -> Sequence[JsonWebKey]:
    members = document.get("keys") if isinstance(document, Mapping) else None
    if not isinstance(members, list | tuple) or not all(isinstance(member, Mapping) for member in members):
        raise InvalidJwk('A key set is {"keys": [{…}, …]} (RFC 7517 §5).')
    return members


def render_jwk(public_key: EllipticCurvePublicKey | RSAPublicKey) -> dict[str, str]:
    """Return the public members of a key: ``kty`` and what RFC 7518 §6 adds to it."""
    if isinstance(public_key, RSAPublicKey):
        members = RSAAlgorithm.to_jwk(public_key, as_dict=True)
    else:
        members = ECAlgorithm.to_jwk(public_key, as_dict=True)
    return {name: members[name] for name in THUMBPRINT_MEMBERS[members["kty"]]}


def thumbprint(jwk: JsonWebKey) -> str:
    """Return the RFC 7638 thumbprint (SHA-256, base64url, 43 characters): the same key has it everywhere."""
    required = {name: jwk[name] for name in THUMBPRINT_MEMBERS[jwk["kty"]]}
    canonical = json.dumps(required, separators=(",", ":"), sort_keys=True).encode()
    return base64.urlsafe_b64encode(hashlib.sha256(canonical).digest()).rstrip(b"=").decode()
