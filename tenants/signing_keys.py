"""The keys that sign our access tokens: which one signs, which are accepted, and their JWK set.

Each version of the secret ``signing-key`` is one private key, PEM (PKCS #8) or JWK: EC on P-256 (ES256) or
RSA (RS256). The gateway only reads them. A rotation is a new version, and nothing else:

1. Every instance publishes and accepts the new key (within ``REFRESH_SECONDS``), and none signs with it.
2. After ``PUBLICATION`` it signs. By then every cached copy of the JWK set has it.
3. The old key is published and accepted until the last token that it can have signed has expired
   (``TOKEN_LIFETIME_MAX`` later), then dropped. Its version may be disabled from then on.

So old and new are accepted side by side for ``PUBLICATION + TOKEN_LIFETIME_MAX``, eight hours. A version's
own ``not_before`` can delay step 2, and its ``expires`` ends it. Disabling a version takes a leaked key out
within ``REFRESH_SECONDS``, together with all tokens that it signed. Where the only version left is younger
than ``PUBLICATION`` it signs at once: we check our own tokens, and know it.
"""

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt import InvalidKeyError
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from pydantic import SecretStr

from tenants.jwks import InvalidJwk, PublicKey, algorithms_of, render_jwk, thumbprint
from tenants.secrets import SIGNING_KEY, Secret, SecretStore, SecretStoreUnavailable

# How long a copy of our JWK set may be kept (`Cache-Control: max-age`), and how long a new key is published
# before it signs. The second must exceed the first plus what an instance needs to see a new version.
JWKS_SECONDS = 3600
PUBLICATION = timedelta(hours=2)

# Longest life of an access token: Entra accepts an `expires_in` of up to six hours.
TOKEN_LIFETIME_MAX = timedelta(hours=6)

# How far the clocks of two instances may differ, and how long after `exp` a token is still accepted.
LEEWAY = timedelta(seconds=60)

# How old the known versions may be, in seconds.
REFRESH_SECONDS = 60.0

# A token that names an unknown key may have been signed by an instance that saw a new version first. Ask
# again, but no more often than this, in seconds: anybody can name unknown keys.
UNKNOWN_REFRESH_SECONDS = 10.0

# How long one ring serves: the instants at which keys change places are known to a few seconds anyway.
RING_SECONDS = 1.0

RSA_BITS = 2048
PEM_CONTENT_TYPE = "application/x-pem-file"

_log = logging.getLogger(__name__)


class SigningAlgorithm(StrEnum):
    """What signs access tokens (RFC 7518 §3.1). ES256 is the smaller and, to sign, ten times the faster."""

    ES256 = "ES256"
    RS256 = "RS256"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One version of the signing key.

    Attributes:
        kid: RFC 7638 thumbprint: the same on every instance, whatever the store calls the version.
        algorithm: The one algorithm that this key is used with.
        private_key: Never printed.
        public: The other half.
        created: When the version was made.
        not_before: When it may sign at the earliest, if its version says so.
    """

    kid: str
    algorithm: SigningAlgorithm
    private_key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey = field(repr=False)
    public: PublicKey
    created: datetime
    not_before: datetime | None = None

    @property
    def signs_from(self) -> datetime:
        """From when it signs, while an older key can do so until then."""
        published = self.created + PUBLICATION
        return max(published, self.not_before) if self.not_before else published


@dataclass(frozen=True, slots=True)
class KeyRing:
    """What is true of the signing keys at one instant.

    Attributes:
        current: The one that signs.
        accepted: All that check tokens, by ``kid``, newest first; published as they are.
    """

    current: SigningKey
    accepted: Mapping[str, PublicKey]


def plan_key_ring(keys: Sequence[SigningKey], now: datetime) -> KeyRing | None:
    """Decide what each key does at ``now``. Pure.

    Args:
        keys: All live keys, newest first.
        now: The time, in UTC.

    Returns:
        None where no key may sign.
    """
    allowed = [key for key in keys if key.not_before is None or key.not_before <= now]
    if not allowed:
        return None
    published = sorted(
        (key for key in allowed if key.signs_from <= now), key=lambda key: key.signs_from, reverse=True
    )
    # A key signs until its successor, which stands before it, takes over.
    ended = {
        older.kid
        for newer, older in pairwise(published)
        if newer.signs_from + TOKEN_LIFETIME_MAX + LEEWAY <= now
    }
    current = published[0] if published else allowed[-1]
    return KeyRing(current, {key.kid: key.public for key in keys if key.kid not in ended})


class SigningKeys:
    """The signing keys of this process, refreshed now and then."""

    def __init__(
        self,
        store: SecretStore,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._now = now
        self._monotonic = monotonic
        self._read_at = float("-inf")
        self._parsed: Mapping[str, SigningKey | None] = {}
        self._ring: KeyRing | None = None
        self._ring_at = float("-inf")

    async def ring(self) -> KeyRing:
        """Return what the keys do now; up to ``RING_SECONDS`` late.

        Raises:
            SecretStoreUnavailable: There is no usable key, or the store was never readable.
        """
        await self._refresh(REFRESH_SECONDS)
        at = self._monotonic()
        if self._ring is None or at - self._ring_at >= RING_SECONDS:
            self._ring = plan_key_ring([key for key in self._parsed.values() if key], self._now())
            self._ring_at = at
        if self._ring is None:
            raise SecretStoreUnavailable(f"No version of the secret {SIGNING_KEY} may sign now.")
        return self._ring

    async def find_accepted(self, kid: str) -> PublicKey | None:
        """Return the key that checks tokens which name ``kid``, or None where there is none.

        Raises:
            SecretStoreUnavailable: There is no usable key at all, or the store was never readable.
        """
        key = (await self.ring()).accepted.get(kid)
        if key is None and await self._refresh(UNKNOWN_REFRESH_SECONDS):
            key = (await self.ring()).accepted.get(kid)
        return key

    async def jwks(self) -> dict[str, Any]:
        """Return the JWK set: the next key, the current one, and those whose tokens live."""
        return render_jwks(await self.ring())

    async def _refresh(self, age_seconds_max: float) -> bool:
        """Read the versions if what is known is older than this; return whether they were read."""
        asked_at = self._monotonic()
        if asked_at - self._read_at < age_seconds_max:
            return False
        try:
            secrets = await self._store.versions(SIGNING_KEY)
        except SecretStoreUnavailable:
            if not self._parsed:
                raise
            _log.warning("signing_key_refresh_failed known_versions=%d", len(self._parsed))
        else:
            self._parsed = {secret.version: self._parse(secret) for secret in secrets}
            self._ring = None
        self._read_at = asked_at
        return True

    def _parse(self, secret: Secret) -> SigningKey | None:
        """Parse a version once. A bad one is reported and passed over: the good ones must go on working."""
        if secret.version in self._parsed:
            return self._parsed[secret.version]
        try:
            return parse_signing_key(secret)
        except InvalidJwk as error:
            _log.error("signing_key_unusable version=%s reason=%s", secret.version, error)
            return None


def parse_signing_key(secret: Secret) -> SigningKey:
    """Parse one version of the secret.

    Raises:
        InvalidJwk: It is no private key that we use. The text holds nothing of the value.
    """
    private_key = _parse_private_key(secret.value.get_secret_value())
    public_key = private_key.public_key()
    algorithms_of(public_key)
    is_elliptic = isinstance(private_key, ec.EllipticCurvePrivateKey)
    algorithm = SigningAlgorithm.ES256 if is_elliptic else SigningAlgorithm.RS256
    kid = thumbprint(render_jwk(public_key))
    public = PublicKey(kid, public_key, frozenset({algorithm}))
    return SigningKey(kid, algorithm, private_key, public, secret.created, secret.not_before)


def _parse_private_key(text: str) -> ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey:
    try:
        if text.lstrip().startswith("{"):
            jwk = json.loads(text)
            key: Any = (ECAlgorithm if jwk.get("kty") == "EC" else RSAAlgorithm).from_jwk(jwk)
        else:
            key = serialization.load_pem_private_key(text.encode(), password=None)
    except (InvalidKeyError, ValueError, TypeError, AttributeError, KeyError):
        # `from None`: the parsers' texts may quote what they were given.
        raise InvalidJwk("neither a PEM (PKCS #8, not encrypted) nor a JWK") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise InvalidJwk("no private EC or RSA key")
    return key


def render_jwks(ring: KeyRing) -> dict[str, Any]:
    """Render the public halves (RFC 7517 §5)."""
    return {
        "keys": [
            {**render_jwk(key.key), "kid": kid, "use": "sig", "alg": min(key.algorithms)}
            for kid, key in ring.accepted.items()
        ]
    }


def generate_signing_key(algorithm: SigningAlgorithm = SigningAlgorithm.ES256) -> SecretStr:
    """Make a private key from the operating system's randomness, as PEM (PKCS #8)."""
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    if algorithm is SigningAlgorithm.ES256:
        key = ec.generate_private_key(ec.SECP256R1())
    else:
        key = rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return SecretStr(pem.decode())
