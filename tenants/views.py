"""What the management API shows: tenants and credentials in JSON, secrets once. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tenants.credential import Credential, CredentialKind
from tenants.credentials import Issued
from tenants.tenant_rows import TenantRecord

type Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Links:
    """The URLs that a customer's administrator needs.

    Attributes:
        base_url: ``https://host`` without a slash at the end.
    """

    base_url: str

    def scim_url(self, tenant_id: str) -> str:
        """Return what goes into Entra's "Tenant URL"."""
        return f"{self.base_url}/scim/{tenant_id}"

    def token_url(self, tenant_id: str) -> str:
        """Return the tenant's OAuth token endpoint."""
        return f"{self.base_url}/oauth2/{tenant_id}/token"


def render_tenant(record: TenantRecord, links: Links) -> Json:
    """Write a tenant for the operator."""
    tenant = record.tenant
    return {
        "tenant_id": tenant.id,
        "scim_url": links.scim_url(tenant.id),
        "token_url": links.token_url(tenant.id),
        **tenant.model_dump(mode="json", exclude={"id"}),
        "created": render_time(record.created),
        "changed": render_time(record.changed),
    }


def render_credential(credential: Credential, now: datetime) -> Json:
    """Write a credential without its digest."""
    if credential.revoked is not None:
        state = "revoked"
    else:
        state = "active" if credential.is_active(now) else "expired"
    return {
        "credential_id": credential.credential_id,
        "kind": credential.kind.value,
        "label": credential.label,
        "scope": credential.scope.value,
        "state": state,
        "created": render_time(credential.created),
        "expires": render_time(credential.expires),
        "revoked": render_time(credential.revoked),
        "last_used": render_time(credential.used),
        "issued_by": credential.issued_by,
        "rotated_from": credential.rotated_from,
        "pepper_version": credential.pepper_version,
    }


def render_issued(issued: Issued, links: Links) -> Json:
    """Write a new credential with its secret."""
    credential = issued.credential
    shown = {
        **render_credential(credential, credential.created),
        "scim_url": links.scim_url(credential.tenant_id),
    }
    if credential.kind is CredentialKind.SECRET_TOKEN:
        return {**shown, "token": issued.secret}
    shown |= {"client_id": credential.credential_id, "token_url": links.token_url(credential.tenant_id)}
    return {**shown, "client_secret": issued.secret} if issued.secret else shown


def render_time(time: datetime | None) -> str | None:
    """Write an instant in UTC, to the second; None stays None."""
    return time.isoformat(timespec="seconds").replace("+00:00", "Z") if time is not None else None
