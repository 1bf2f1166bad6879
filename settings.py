"""Every setting of the gateway, once. Read lazily, never at import: Azure may provide settings late.

In Azure they are app settings that ``infra/main.bicep`` writes; on a laptop ``scimgw serve`` provides them.
"""

from functools import cache
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """The gateway's settings; each is read from the environment variable ``SCIM_<NAME>``."""

    model_config = SettingsConfigDict(env_prefix="SCIM_", frozen=True, extra="ignore")

    table_endpoint: str = Field("", description="Table service URL of the data account.")
    table_connection_string: SecretStr = Field(
        SecretStr(""),
        description="Local development only: Azurite's connection string, in place of an endpoint.",
    )
    key_vault_uri: str = Field(
        "", description="Key Vault that holds the pepper, the signing keys and the tenant entries."
    )
    local_secrets_dir: Path | None = Field(
        None, description="Local development only: a folder that stands in for Key Vault."
    )
    local_tenants_dir: Path | None = Field(
        None,
        description="Local development only: a folder of tenant entries (JSON), in place of Key Vault's.",
    )
    operator_token: SecretStr = Field(
        SecretStr(""), description="Local development only: the token that the management API accepts."
    )
    operator_tenant_id: str = Field(
        "",
        description="Entra tenant that operators sign in to; empty: no Entra token opens the management API.",
    )
    operator_audience: str = Field(
        "", description="Application id or URI that operators' Entra tokens must name as their audience."
    )
    entra_authority: str = Field(
        "https://login.microsoftonline.com",
        description="Where Entra issues tokens: another one in national clouds.",
    )
    access_token_seconds: int = Field(
        3_600,
        ge=3_600,
        le=21_600,
        description="How long access tokens of the token endpoints live; Entra takes one to six hours.",
    )
    public_url: str = Field(
        "",
        description="https://host as clients see it, where a proxy in front changes it; empty: as requested.",
    )
    request_seconds_max: float = Field(
        25.0,
        description="Time for one request, retries included; Entra gives up on a request after about 30 s.",
    )
    feed_days: int = Field(
        30,
        ge=1,
        le=400,
        description="How long entries of the change feed are kept: a consumer may be away as long as this.",
    )
    log_days: int = Field(
        30,
        ge=1,
        le=400,
        description="How long a tenant's provisioning log keeps failed requests and shows changes.",
    )
    log_details: bool = Field(
        False,
        description="The provisioning log keeps what a refused request was told: it may name a person.",
    )
    allow_private_receivers: bool = Field(
        False,
        description="Local development only: events may go to this machine and network, and over http.",
    )
    scan_candidates_max: int = Field(
        20_000, description="Resources that a filter without an index may read before it gets 400 tooMany."
    )


@cache
def settings() -> Settings:
    """Return the settings of this process, read at first use."""
    return Settings()
