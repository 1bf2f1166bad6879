"""One credential, and the row of the table ``credentials`` that holds it. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from tenants.tables import Row
from tenants.tenant import Scope


class CredentialKind(StrEnum):
    """How a credential's bearer proves that it is his."""

    SECRET_TOKEN = "secret-token"  # noqa: S105 - a kind
    OAUTH_CLIENT = "oauth-client"
    JWK = "jwk"


@dataclass(frozen=True, slots=True)
class Credential:
    """One credential as its row holds it; times in UTC.

    Attributes:
        tenant_id: Whose.
        credential_id: 16 hexadecimal digits; the ``client_id`` of an OAuth client, the subject of requests.
        kind: What it is.
        label: The operator's own text.
        scope: What it lets its bearer do.
        created: When it was issued.
        expires: First instant at which it is refused.
        issued_by: The operator's subject.
        digest: HMAC-SHA-256 of the secret in hexadecimal; empty where there is no secret.
        pepper_version: Which pepper made the digest.
        jwks: The public keys of a ``jwk`` credential.
        revoked: Since when it is refused; None while it is not.
        used: When it was last used, up to ``USED_STEP`` too early; None for never.
        rotated_from: The credential that this one follows.
    """

    tenant_id: str
    credential_id: str
    kind: CredentialKind
    label: str
    scope: Scope
    created: datetime
    expires: datetime
    issued_by: str
    digest: str = field(default="", repr=False)
    pepper_version: str = ""
    jwks: Mapping[str, Any] = field(default_factory=dict)
    revoked: datetime | None = None
    used: datetime | None = None
    rotated_from: str = ""
    entity_etag: str = field(default="", repr=False)

    def is_active(self, now: datetime) -> bool:
        """Whether it is accepted at ``now``."""
        return self.revoked is None and now < self.expires


def render_row(credential: Credential) -> dict[str, Any]:
    """Write a new credential as its row's properties. Holds the digest, never the secret."""
    return {
        "kind": credential.kind.value,
        "label": credential.label,
        "scope": credential.scope.value,
        "created": credential.created.isoformat(),
        "expires": credential.expires.isoformat(),
        "issued_by": credential.issued_by,
        "digest": credential.digest,
        "pepper": credential.pepper_version,
        "jwks": json.dumps(credential.jwks) if credential.jwks else "",
        "rotated_from": credential.rotated_from,
    }


def parse_row(tenant_id: str, row: Row) -> Credential:
    """Read a credential from its row."""
    return Credential(
        tenant_id=tenant_id,
        credential_id=row["RowKey"],
        kind=CredentialKind(row["kind"]),
        label=row["label"],
        scope=Scope(row["scope"]),
        created=datetime.fromisoformat(row["created"]),
        expires=datetime.fromisoformat(row["expires"]),
        issued_by=row["issued_by"],
        digest=row["digest"],
        pepper_version=row["pepper"],
        jwks=json.loads(row["jwks"]) if row["jwks"] else {},
        revoked=_parse_time(row.get("revoked", "")),
        used=_parse_time(row.get("used", "")),
        rotated_from=row["rotated_from"],
        entity_etag=row["etag"],
    )


def _parse_time(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
