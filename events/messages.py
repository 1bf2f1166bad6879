"""What is sent to a receiver: the body and the headers of one request."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import orjson

from events.receivers import Receiver, ReceiverKind
from events.tokens import MEDIA_TYPE, Signer
from events.webhook_secrets import WebhookSecrets, sign
from scim.documents import JsonObject

# Most events of one webhook, and their size in bytes, which the last event may exceed.
WEBHOOK_EVENTS_MAX: Final = 100
WEBHOOK_BYTES_MAX: Final = 512 * 1024

# The ``type`` of a webhook with events.
EVENTS_TYPE: Final = "scim.events"


class CannotSign(Exception):
    """A receiver's secret cannot be derived any more: it must be rotated."""


@dataclass(frozen=True, slots=True)
class Message:
    """One request.

    Attributes:
        body: As sent.
        headers: Its signature among them.
    """

    body: bytes
    headers: dict[str, str]


def batch_size(receiver: Receiver) -> int:
    """Return how many events go into one message: tokens travel alone (RFC 8935 §2)."""
    return WEBHOOK_EVENTS_MAX if receiver.kind is ReceiverKind.WEBHOOK else 1


class Messages:
    """Makes and signs messages."""

    def __init__(self, signer: Signer, secrets: WebhookSecrets) -> None:
        self._signer = signer
        self._secrets = secrets

    async def make(
        self, receiver: Receiver, tenant_id: str, events: Sequence[JsonObject], cursor: str, now: datetime
    ) -> Message:
        """Return the message with these events.

        Args:
            receiver: Whom it is for.
            tenant_id: Whose events.
            events: Their claims, one at least; exactly one for a receiver of tokens.
            cursor: The place after them; empty for a test.
            now: The time of this attempt.

        Raises:
            CannotSign: The webhook's secret is gone.
            SecretStoreUnavailable: No key can be read now.
        """
        if receiver.kind is ReceiverKind.SET:
            token = await self._signer.sign(events[0], receiver.audience)
            headers = {"Content-Type": MEDIA_TYPE, "Accept": "application/json"}
            return Message(token.encode(), headers)
        body = orjson.dumps(
            {
                "type": EVENTS_TYPE,
                "timestamp": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                "data": {"tenant": tenant_id, "events": list(events), "cursor": cursor},
            }
        )
        found = [await self._secrets.find(receiver.id, one) for one in receiver.generations(now)]
        secrets = [secret for secret in found if secret is not None]
        if not secrets:
            raise CannotSign
        message_id = _message_id(receiver, events)
        return Message(
            body,
            {"Content-Type": "application/json", **sign(secrets, message_id, int(now.timestamp()), body)},
        )


def _message_id(receiver: Receiver, events: Sequence[JsonObject]) -> str:
    """Return what names a message: the same for every attempt with the same events."""
    named = "\n".join((receiver.id, *(str(event["jti"]) for event in events)))
    return f"msg_{hashlib.sha256(named.encode()).hexdigest()[:32]}"
