"""The bodies that the management API takes. Pure."""

from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from tenants.credential import CredentialKind
from tenants.credentials import (
    EXPIRES_DAYS_DEFAULT,
    EXPIRES_DAYS_MAX,
    OVERLAP_DAYS_DEFAULT,
    OVERLAP_DAYS_MAX,
)
from tenants.tenant import (
    Guid,
    JsonWebKeySet,
    Owner,
    Scope,
    TenantSettings,
    check_printable,
    check_public_keys,
)

LABEL_LENGTH_MAX = 100


def _check_label(label: str) -> str:
    return check_printable(label) if label else ""


class _Request(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class TenantRequest(TenantSettings):
    """Body of ``POST /manage/tenants``: the settings, and an ``id`` where it is not to be made here."""

    id: Guid | None = None


class CredentialRequest(_Request):
    """Body of ``POST /manage/tenants/{id}/credentials``.

    Attributes:
        kind: What to issue.
        label: The operator's own text.
        scope: What it lets its bearer do.
        expires_days: How long it lives, at most three years.
        jwks: The public keys of a ``jwk`` credential.
    """

    kind: CredentialKind = CredentialKind.SECRET_TOKEN
    label: Annotated[str, Field(max_length=LABEL_LENGTH_MAX), AfterValidator(_check_label)] = ""
    scope: Scope = Scope.SCIM
    expires_days: int = Field(EXPIRES_DAYS_DEFAULT, ge=1, le=EXPIRES_DAYS_MAX)
    jwks: Annotated[JsonWebKeySet, BeforeValidator(check_public_keys)] = JsonWebKeySet()

    @model_validator(mode="after")
    def _check_keys(self) -> Self:
        if (self.kind is CredentialKind.JWK) != bool(self.jwks.keys):
            raise ValueError("jwks: a credential of kind jwk needs public keys, and no other kind has any")
        return self


class RotationRequest(_Request):
    """Body of ``POST …/credentials/{cid}/rotate``.

    Attributes:
        overlap_days: How long the old credential lives on; 0 ends it at once.
        expires_days: How long the new one lives.
        jwks: New public keys of a ``jwk`` credential; empty keeps the old ones.
    """

    overlap_days: int = Field(OVERLAP_DAYS_DEFAULT, ge=0, le=OVERLAP_DAYS_MAX)
    expires_days: int = Field(EXPIRES_DAYS_DEFAULT, ge=1, le=EXPIRES_DAYS_MAX)
    jwks: Annotated[JsonWebKeySet, BeforeValidator(check_public_keys)] = JsonWebKeySet()


class AdoptionRequest(_Request):
    """Body of ``POST /manage/tenants/{id}/adopt``: who owns the tenant from now on."""

    owner: Owner = Owner.MANAGED
