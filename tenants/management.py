"""The operator's use cases: tenants made, changed, suspended; credentials issued, rotated, revoked.

The management API (``gateway/manage.py``) maps requests onto these functions. They take and return JSON
values; what is wrong is a ``Problem`` that names the field and never repeats a value that was sent.
"""

import uuid
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

from pydantic import BaseModel, ValidationError

from tenants.credentials import (
    LIVE_MAX,
    CredentialNotActive,
    CredentialNotFound,
    CredentialOrder,
    Credentials,
    TooManyCredentials,
)
from tenants.entries import list_errors
from tenants.orders import (
    LABEL_LENGTH_MAX,
    AdoptionRequest,
    CredentialRequest,
    RotationRequest,
    TenantRequest,
)
from tenants.registry import Registry, TenantDeclared, TenantExists, TenantNotFound, TenantPurging
from tenants.secrets import ENTRY_PREFIX, SecretNotFound
from tenants.tenant import KEYS_MAX, JsonWebKeySet, State, TenantSettings, find_guid
from tenants.tenant_rows import TenantRecord
from tenants.views import Json, Links, render_credential, render_issued, render_tenant, render_time


class Problem(Exception):
    """A request that cannot be served, as RFC 9457 writes it.

    Attributes:
        status: The answer's status.
        detail: One sentence for the operator: what is wrong, and what to do next.
        errors: For each field that is wrong, its path and why.
    """

    def __init__(self, status: HTTPStatus, detail: str, errors: list[tuple[str, str]] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = errors or []


# Numbers about a tenant's directory, by name; None where the storage does not tell.
type CountResources = Callable[[str], Awaitable[Mapping[str, int]]]
# When a tenant's directory last changed, ISO 8601; empty for never.
type FindLastChange = Callable[[str], Awaitable[str]]


class Management:
    """What operators do. Every method raises ``Problem`` for what the caller can put right."""

    def __init__(
        self,
        registry: Registry,
        credentials: Credentials,
        count_resources: CountResources | None = None,
        find_last_change: FindLastChange | None = None,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        new_id: Callable[[], uuid.UUID] = uuid.uuid4,
    ) -> None:
        self._registry = registry
        self._credentials = credentials
        self._count_resources = count_resources
        self._find_last_change = find_last_change
        self._now = now
        self._new_id = new_id

    async def create_tenant(self, body: Json, links: Links) -> Json:
        """Make a tenant."""
        request = _parse(TenantRequest, body)
        settings = TenantSettings.model_validate(request.model_dump(exclude={"id"}))
        tenant_id = request.id or str(self._new_id())
        try:
            record = await self._registry.create(tenant_id, settings)
        except TenantExists:
            raise Problem(HTTPStatus.CONFLICT, f"There is a tenant {tenant_id} already.") from None
        return render_tenant(record, links)

    async def list_tenants(self, links: Links) -> Json:
        """Return every tenant."""
        return {"tenants": [render_tenant(record, links) for record in await self._registry.find_all()]}

    async def show_tenant(self, tenant_id: str, links: Links) -> Json:
        """Return a tenant with the state of its credentials, its entry and its directory."""
        record = await self._get(tenant_id)
        tenant = record.tenant
        shown = render_tenant(record, links)
        now = self._now()
        live = [c for c in await self._credentials.find_all(tenant.id) if c.is_active(now)]
        shown["credentials"] = {
            "live": len(live),
            "next_expiry": render_time(min((c.expires for c in live), default=None)),
            "last_used": render_time(max((c.used for c in live if c.used), default=None)),
        }
        entries = [e for e in await self._registry.find_entries() if e.tenant_id == tenant.id]
        shown["entry_errors"] = [{"entry": e.name, "detail": e.error} for e in entries if e.error]
        if self._count_resources is not None:
            shown["counts"] = dict(await self._count_resources(tenant.id))
        if self._find_last_change is not None:
            shown["last_change"] = await self._find_last_change(tenant.id) or None
        return shown

    async def change_tenant(self, tenant_id: str, body: Json, links: Links) -> Json:
        """Change some settings of a tenant."""
        unknown = [name for name in body if name not in TenantSettings.model_fields]
        if unknown:
            raise Problem(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                "Some fields do not exist or cannot be changed.",
                [(name[:LABEL_LENGTH_MAX], "is not a setting of a tenant") for name in unknown[:10]],
            )
        try:
            record = await self._registry.change(_parse_id(tenant_id), body)
        except TenantNotFound:
            raise no_tenant() from None
        except TenantPurging:
            raise _purging() from None
        except TenantDeclared as declared:
            raise _declared(declared.entry) from None
        except ValidationError as error:
            raise _invalid(error) from None
        return render_tenant(record, links)

    async def set_state(self, tenant_id: str, state: State, links: Links) -> Json:
        """Suspend or activate a tenant."""
        return await self.change_tenant(tenant_id, {"state": state.value}, links)

    async def adopt_tenant(self, tenant_id: str, body: Json, links: Links) -> Json:
        """Hand a tenant over to its entry or to this API."""
        request = _parse(AdoptionRequest, body)
        try:
            record = await self._registry.adopt(_parse_id(tenant_id), request.owner)
        except TenantNotFound:
            raise no_tenant() from None
        except TenantPurging:
            raise _purging() from None
        return render_tenant(record, links)

    async def list_entries(self) -> Json:
        """Return what became of each entry."""
        return {
            "entries": [
                {
                    "name": entry.name,
                    "tenant_id": entry.tenant_id,
                    "error": entry.error,
                    "read": render_time(entry.read),
                }
                for entry in await self._registry.find_entries()
            ]
        }

    async def issue_credential(self, tenant_id: str, body: Json, operator: str, links: Links) -> Json:
        """Issue a credential: the one answer that shows its secret."""
        tenant = (await self._get(tenant_id)).tenant
        request = _parse(CredentialRequest, body)
        order = CredentialOrder(
            request.kind,
            request.label,
            request.scope,
            timedelta(days=request.expires_days),
            _parse_keys(request.jwks),
        )
        try:
            issued = await self._credentials.issue(tenant.id, order, operator)
        except (TooManyCredentials, SecretNotFound) as error:
            raise _cannot_issue(error) from error
        return render_issued(issued, links)

    async def list_credentials(self, tenant_id: str) -> Json:
        """Return a tenant's credentials, without secrets or digests."""
        tenant = (await self._get(tenant_id)).tenant
        now = self._now()
        return {
            "credentials": [
                render_credential(credential, now)
                for credential in await self._credentials.find_all(tenant.id)
            ]
        }

    async def rotate_credential(
        self, tenant_id: str, credential_id: str, body: Json, operator: str, links: Links
    ) -> Json:
        """Issue a follower of a credential, and let the old one end."""
        tenant = (await self._get(tenant_id)).tenant
        request = _parse(RotationRequest, body)
        try:
            issued = await self._credentials.rotate(
                tenant.id,
                credential_id,
                overlap=timedelta(days=request.overlap_days),
                lifetime=timedelta(days=request.expires_days),
                jwks=_parse_keys(request.jwks),
                issued_by=operator,
            )
        except CredentialNotFound:
            raise _no_credential() from None
        except CredentialNotActive:
            raise Problem(
                HTTPStatus.CONFLICT, "The credential is revoked or expired: issue a new one."
            ) from None
        except (TooManyCredentials, SecretNotFound) as error:
            raise _cannot_issue(error) from error
        return render_issued(issued, links)

    async def revoke_credential(self, tenant_id: str, credential_id: str) -> None:
        """Revoke a credential; revoking it again is fine."""
        tenant = (await self._get(tenant_id)).tenant
        try:
            await self._credentials.revoke(tenant.id, credential_id)
        except CredentialNotFound:
            raise _no_credential() from None

    async def _get(self, tenant_id: str) -> TenantRecord:
        try:
            return await self._registry.get(_parse_id(tenant_id))
        except TenantNotFound:
            raise no_tenant() from None


def _parse[Model: BaseModel](model: type[Model], body: Json) -> Model:
    try:
        return model.model_validate(body)
    except ValidationError as error:
        raise _invalid(error) from None


def _parse_keys(keys: JsonWebKeySet) -> Json:
    """Return a client's public keys; a key that could never check a signature is refused now."""
    if not keys.keys:
        return {}
    from tenants.jwks import InvalidJwk, parse_registered_jwks  # noqa: PLC0415 - loads the cryptography

    document = keys.model_dump()
    try:
        parse_registered_jwks(document, keys_max=KEYS_MAX)
    except InvalidJwk as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"jwks: {error}", [("jwks", str(error))]) from None
    return document


def _parse_id(text: str) -> str:
    tenant_id = find_guid(text)
    if tenant_id is None:
        raise no_tenant()
    return tenant_id


def _invalid(error: ValidationError) -> Problem:
    errors = list_errors(error)
    detail = "; ".join(f"{name}: {why}" if name else why for name, why in errors)
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors)


def no_tenant() -> Problem:
    """Return what is said where no such tenant is, or was."""
    return Problem(HTTPStatus.NOT_FOUND, "There is no such tenant.")


def _purging() -> Problem:
    return Problem(HTTPStatus.CONFLICT, "The tenant is being purged: nothing else can be done to it.")


def _declared(entry: str) -> Problem:
    """Return what is said where an entry owns the tenant: which file to edit, as far as we can know it."""
    if not entry:
        detail = "The tenant waits for an entry to declare it: deploy one with its id, or adopt it first."
        return Problem(HTTPStatus.CONFLICT, detail)
    name = entry.removeprefix(ENTRY_PREFIX)
    # In a vault, an entry is a secret; in a laptop's folder it is the file itself.
    file = f" (from infra/tenants/{name}.bicepparam)" if name != entry and "." not in entry else ""
    return Problem(
        HTTPStatus.CONFLICT,
        f"The entry {entry}{file} declares the tenant: change that and deploy it, or adopt the tenant first.",
    )


def _no_credential() -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, "The tenant has no such credential.")


def _cannot_issue(error: Exception) -> Problem:
    if isinstance(error, TooManyCredentials):
        return Problem(
            HTTPStatus.CONFLICT, f"The tenant has {LIVE_MAX} live credentials, the most it can: revoke one."
        )
    return Problem(
        HTTPStatus.SERVICE_UNAVAILABLE, "There is no usable version of the secret pepper: see /health."
    )
