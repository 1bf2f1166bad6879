"""Credentials: issued, listed, rotated, revoked, and checked on every request.

A row of the table ``credentials`` is one credential: its digest, never its secret. Three kinds:

- ``secret-token``: what an identity provider sends as a bearer token on every request;
- ``oauth-client``: a ``client_id`` (the credential's id) with a secret, for the tenant's token endpoint;
- ``jwk``: a ``client_id`` with the public keys that its client signs assertions with (RFC 7523).

Several are live at once, so that a rotation has no gap. Requests read them through a cache, which bounds how
long a revocation takes (``cache.FRESH_SECONDS``).
"""

import hmac
import logging
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tenants.cache import Cache
from tenants.credential import Credential, CredentialKind, parse_row, render_row
from tenants.peppers import STAND_IN_PEPPER, Peppers
from tenants.secret_format import (
    CREDENTIAL_ID,
    CREDENTIAL_ID_BYTES,
    SECRET_BYTES,
    ParsedSecret,
    Prefix,
    parse_secret,
    render_secret,
)
from tenants.tables import RowChanged, RowExists, Table
from tenants.tenant import Scope
from tenants.usage import UsageLog

# Microsoft asks for credentials valid from one to three years, which customers can rotate; shorter ones are
# for trials. The shortest of the range is the default: the list warns before it ends.
EXPIRES_DAYS_DEFAULT = 365
EXPIRES_DAYS_MAX = 3 * 366
# Longest time both secrets of a rotation live; the old one's own end comes first if it is earlier.
OVERLAP_DAYS_MAX = 90
OVERLAP_DAYS_DEFAULT = 7
# Live credentials of one tenant. Two are a rotation; more are several environments or readers.
LIVE_MAX = 20

# The partitions beside a tenant's own that hold the assertions its clients used: this, and its id.
USED_ASSERTIONS = "assertions-"

_log = logging.getLogger(__name__)
_NO_DIGEST = "0" * 64  # compared with where there is no digest; the answer does not depend on it


# The kinds that have a secret, and what it starts with.
_PREFIXES = {
    CredentialKind.SECRET_TOKEN: Prefix.SECRET_TOKEN,
    CredentialKind.OAUTH_CLIENT: Prefix.CLIENT_SECRET,
}


class TooManyCredentials(Exception):
    """The tenant has as many live credentials as it may have: revoke one first."""


class CredentialNotFound(Exception):
    """The tenant has no such credential."""


class CredentialNotActive(Exception):
    """The credential is revoked or expired, so it cannot be rotated: issue a new one."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A new credential with its secret, which exists nowhere else: shown once."""

    credential: Credential
    secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class CredentialOrder:
    """What to issue.

    Attributes:
        kind: What kind.
        label: The operator's own text, may be empty.
        scope: What it lets its bearer do.
        lifetime: How long it lives.
        jwks: The public keys of a ``jwk`` credential.
        rotated_from: The credential that it follows.
    """

    kind: CredentialKind = CredentialKind.SECRET_TOKEN
    label: str = ""
    scope: Scope = Scope.SCIM
    lifetime: timedelta = timedelta(days=EXPIRES_DAYS_DEFAULT)
    jwks: Mapping[str, Any] = field(default_factory=dict)
    rotated_from: str = ""


class Credentials:
    """The credentials of every tenant."""

    def __init__(
        self,
        table: Table,
        peppers: Peppers,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        random: Callable[[int], bytes] = secrets.token_bytes,
        cache: Cache[tuple[str, str], Credential] | None = None,
    ) -> None:
        self._table = table
        self._peppers = peppers
        self._now = now
        self._random = random
        self._cache = cache or Cache(self._load)
        self._usage = UsageLog(table)

    # --- the operator's side ---

    async def issue(self, tenant_id: str, order: CredentialOrder, issued_by: str) -> Issued:
        """Make a credential. A crash before the answer leaves one that nobody knows the secret of.

        Raises:
            TooManyCredentials: ``LIVE_MAX`` are live.
            SecretNotFound: There is no pepper.
        """
        now = self._now()
        live = [credential for credential in await self.find_all(tenant_id) if credential.is_active(now)]
        if len(live) >= LIVE_MAX:
            raise TooManyCredentials
        issued = await self._make(tenant_id, order, issued_by, now)
        credential_id = issued.credential.credential_id
        try:
            await self._table.create(tenant_id, credential_id, render_row(issued.credential))
        except RowExists:
            # Ours, and the first answer was lost: 64 random bits do not meet by chance.
            _log.info("credential_create_repeated tenant_id=%s credential_id=%s", tenant_id, credential_id)
        self._cache.forget((tenant_id, credential_id))
        _log.info(
            "credential_issued tenant_id=%s credential_id=%s kind=%s", tenant_id, credential_id, order.kind
        )
        return issued

    async def find_all(self, tenant_id: str) -> list[Credential]:
        """Return all credentials of a tenant, also dead ones, oldest first. Read from the table."""
        found = [parse_row(tenant_id, row) for row in await self._table.rows(tenant_id)]
        return sorted(found, key=lambda credential: (credential.created, credential.credential_id))

    async def get(self, tenant_id: str, credential_id: str) -> Credential:
        """Return one credential, read from the table.

        Raises:
            CredentialNotFound: The tenant has no such credential.
        """
        # Anything else is no row's key, and some of it the table service would choke on.
        if CREDENTIAL_ID.match(credential_id):
            credential = await self._load((tenant_id, credential_id))
            if credential is not None:
                return credential
        raise CredentialNotFound

    async def revoke(self, tenant_id: str, credential_id: str) -> None:
        """Refuse a credential from now on: here at once, on other instances when their cache ends.

        Raises:
            CredentialNotFound: The tenant has no such credential.
        """
        credential = await self.get(tenant_id, credential_id)
        if credential.revoked is None:
            await self._merge(credential, {"revoked": self._now().isoformat()})
        _log.info("credential_revoked tenant_id=%s credential_id=%s", tenant_id, credential_id)

    async def rotate(
        self,
        tenant_id: str,
        credential_id: str,
        *,
        overlap: timedelta,
        lifetime: timedelta,
        jwks: Mapping[str, Any],
        issued_by: str,
    ) -> Issued:
        """Issue a follower, and let the old credential end after ``overlap``.

        A crash in between leaves both, the old one until its own end: rotate again and revoke the one in the
        middle.

        Raises:
            CredentialNotFound: The tenant has no such credential.
            CredentialNotActive: It is revoked or expired.
            TooManyCredentials: ``LIVE_MAX`` are live.
        """
        old = await self.get(tenant_id, credential_id)
        now = self._now()
        if not old.is_active(now):
            raise CredentialNotActive
        order = CredentialOrder(
            old.kind, old.label, old.scope, lifetime, jwks or old.jwks, rotated_from=credential_id
        )
        issued = await self.issue(tenant_id, order, issued_by)
        await self._merge(old, {"expires": min(old.expires, now + overlap).isoformat()})
        return issued

    async def forget_tenant(self, tenant_id: str) -> None:
        """Delete all credentials of a purged tenant, and the assertions that its clients used. Repeatable."""
        for partition_key in (tenant_id, USED_ASSERTIONS + tenant_id):
            for row in await self._table.rows(partition_key):
                with suppress(RowChanged):  # another run was faster
                    await self._table.delete(partition_key, row["RowKey"])
                self._cache.forget((tenant_id, row["RowKey"]))

    # --- the requests' side ---

    async def warm(self, tenant_id: str, token: str) -> None:
        """Read what ``check_secret_token`` will need, if it is not remembered."""
        parsed = parse_secret(token)
        if parsed is not None and not self._cache.has((tenant_id, parsed.credential_id)):
            await self._cache.get((tenant_id, parsed.credential_id))

    async def check_secret_token(self, tenant_id: str, token: str) -> Credential | None:
        """Return the active credential whose secret token this is, or None.

        The same work is done for an unknown credential, a dead one and a wrong secret.
        """
        parsed = parse_secret(token)
        if parsed is None or parsed.prefix is not Prefix.SECRET_TOKEN:
            return None
        credential = await self._check(tenant_id, parsed, token)
        return credential if credential and credential.kind is CredentialKind.SECRET_TOKEN else None

    async def check_client_secret(self, tenant_id: str, client_id: str, secret: str) -> Credential | None:
        """Return the active OAuth client with this id and secret, or None. As ``check_secret_token``."""
        parsed = parse_secret(secret)
        if parsed is None or parsed.prefix is not Prefix.CLIENT_SECRET:
            return None
        credential = await self._check(tenant_id, parsed, secret)
        if credential is None or credential.kind is not CredentialKind.OAUTH_CLIENT:
            return None
        return credential if credential.credential_id == client_id else None

    async def find_oauth_client(self, tenant_id: str, client_id: str) -> Credential | None:
        """Return an active OAuth client, of kind ``oauth-client`` or ``jwk``, or None. Cached."""
        if not CREDENTIAL_ID.match(client_id):
            return None
        credential = await self._cache.get((tenant_id, client_id))
        if credential is None or credential.kind is CredentialKind.SECRET_TOKEN:
            return None
        return credential if credential.is_active(self._now()) else None

    def note_use(self, credential: Credential) -> None:
        """Remember that an access token of this client was used: ``last used`` of the list."""
        self._usage.note(credential, self._now())

    async def finish(self) -> None:
        """Wait for what runs in the background."""
        await self._usage.finish()

    async def _make(self, tenant_id: str, order: CredentialOrder, issued_by: str, now: datetime) -> Issued:
        """Make a credential in memory, with its secret unless its kind has none."""
        credential_id = self._random(CREDENTIAL_ID_BYTES).hex()
        text, digest, pepper_version = "", "", ""
        if (prefix := _PREFIXES.get(order.kind)) is not None:
            text = render_secret(prefix, tenant_id, credential_id, self._random(SECRET_BYTES))
            pepper = await self._peppers.get_current()
            digest, pepper_version = pepper.digest(tenant_id, credential_id, text), pepper.version
        credential = Credential(
            tenant_id=tenant_id,
            credential_id=credential_id,
            kind=order.kind,
            label=order.label,
            scope=order.scope,
            created=now,
            expires=now + order.lifetime,
            issued_by=issued_by,
            digest=digest,
            pepper_version=pepper_version,
            jwks=order.jwks,
            rotated_from=order.rotated_from,
        )
        return Issued(credential, text)

    async def _check(self, tenant_id: str, parsed: ParsedSecret, text: str) -> Credential | None:
        """Do the same work whatever is wrong: one cached look-up, one HMAC, one comparison."""
        credential = await self._cache.get((tenant_id, parsed.credential_id))
        pepper = await self._peppers.find(credential.pepper_version if credential else "")
        digest = (pepper or STAND_IN_PEPPER).digest(tenant_id, parsed.credential_id, text)
        is_same = hmac.compare_digest(digest, (credential.digest if credential else "") or _NO_DIGEST)
        if credential is None or pepper is None or not is_same or not credential.is_active(self._now()):
            return None
        self._usage.note(credential, self._now(), secret=text, pepper=await self._peppers.find_current())
        return credential

    async def _load(self, key: tuple[str, str]) -> Credential | None:
        tenant_id, credential_id = key
        row = await self._table.get(tenant_id, credential_id)
        return parse_row(tenant_id, row) if row is not None else None

    async def _merge(self, credential: Credential, properties: Mapping[str, Any]) -> None:
        try:
            await self._table.merge(credential.tenant_id, credential.credential_id, properties)
        except RowChanged as error:
            raise CredentialNotFound from error
        finally:
            self._cache.forget((credential.tenant_id, credential.credential_id))
