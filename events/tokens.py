"""Events as signed security event tokens (RFC 8417), with the keys that sign access tokens.

One cannot pass for the other: a token's ``typ`` says what it is, and whoever takes tokens of ours looks.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import jwt as pyjwt

from scim.documents import JsonObject
from tenants.signing_keys import SigningKeys

# RFC 8417 §2.3.
TYPE: Final = "secevent+jwt"
MEDIA_TYPE: Final = "application/secevent+jwt"


class Signer:
    """Signs with the key that signs now, so that an event is good however late it is delivered."""

    def __init__(self, keys: SigningKeys, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._keys = keys
        self._now = now

    async def sign(self, claims: JsonObject, audience: str) -> str:
        """Return a token.

        Args:
            claims: An event's; its own time stays in ``toe``.
            audience: Whom it is for.

        Raises:
            SecretStoreUnavailable: No key may sign now.
        """
        ring = await self._keys.ring()
        issued = {**claims, "iat": int(self._now().timestamp()), "aud": audience}
        headers = {"typ": TYPE, "kid": ring.current.kid}
        key = ring.current
        return pyjwt.encode(issued, key.private_key, algorithm=key.algorithm, headers=headers)
