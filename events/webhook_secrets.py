"""The secrets that webhooks are signed with, and their signatures (Standard Webhooks 1.0).

The gateway never writes a secret: each is derived (HKDF-SHA-256, RFC 5869) from the Key Vault secret
``webhook-key``, the receiver's id and a generation that a rotation counts up. Whoever reads the tables learns
none. A receiver's row names the version of ``webhook-key``; a version must stay enabled until every receiver
has been rotated to a newer one.
"""

import base64
import hmac
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import SecretStr

from tenants.secret_versions import SecretVersions
from tenants.secrets import SecretStore

WEBHOOK_KEY: Final = "webhook-key"

# How Standard Webhooks writes a symmetric secret.
PREFIX: Final = "whsec_"
_SECRET_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Generation:
    """Which secret of a receiver.

    Attributes:
        number: Counts rotations, from 1.
        key_version: The version of ``webhook-key`` that it is derived from.
    """

    number: int
    key_version: str


@dataclass(frozen=True, slots=True)
class WebhookSecret:
    """A secret that receiver and gateway share. Never printed."""

    value: bytes = field(repr=False)

    def reveal(self) -> str:
        """Return it as the receiver's software takes it: for its owner, once."""
        return PREFIX + base64.b64encode(self.value).decode()


def derive_secret(key: SecretStr, receiver_id: str, number: int) -> WebhookSecret:
    """Return a receiver's secret of one generation. Pure."""
    purpose = f"scimgw webhook 1\n{receiver_id}\n{number}".encode()
    kdf = HKDF(SHA256(), _SECRET_BYTES, salt=None, info=purpose)
    return WebhookSecret(kdf.derive(key.get_secret_value().encode()))


def sign(
    webhook_secrets: Sequence[WebhookSecret], message_id: str, timestamp: int, body: bytes
) -> dict[str, str]:
    """Return the headers that prove a message, with one signature for each secret. Pure.

    Args:
        webhook_secrets: The newest first.
        message_id: The same for every attempt; holds no full stop, which separates what is signed.
        timestamp: Of this attempt, in seconds since 1970.
        body: As sent.
    """
    signed = b".".join((message_id.encode(), str(timestamp).encode(), body))
    signatures = [
        "v1," + base64.b64encode(hmac.digest(secret.value, signed, "sha256")).decode()
        for secret in webhook_secrets
    ]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
    }


def make_webhook_key() -> SecretStr:
    """Return a new ``webhook-key``: 32 random bytes."""
    return SecretStr(secrets.token_urlsafe(32))


class WebhookSecrets:
    """Derives secrets from the live versions of the key."""

    def __init__(
        self,
        store: SecretStore,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keys = SecretVersions(store, WEBHOOK_KEY, lambda secret: secret, now=now, clock=clock)

    async def current_version(self) -> str:
        """Return the version of the key that new generations are derived from.

        Raises:
            SecretNotFound: There is none: an operator must add one.
            SecretStoreUnavailable: The store was never readable.
        """
        return (await self._keys.get_current()).version

    async def find(self, receiver_id: str, generation: Generation) -> WebhookSecret | None:
        """Return a secret, or None where the key's version is gone.

        Raises:
            SecretStoreUnavailable: The store was never readable.
        """
        key = await self._keys.find(generation.key_version)
        return None if key is None else derive_secret(key.value, receiver_id, generation.number)
