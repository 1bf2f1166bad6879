"""From settings to services, each made when first used.

Nothing here belongs to a request. What a request needs is made by the endpoints and costs no I/O.
"""

import asyncio
import logging
import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import aiohttp
from azure.core.credentials_async import AsyncTokenCredential

from gateway.tables import ScimTable
from scim.documents import Directory, ResourceName
from scim.documents import Throttled as StorageBusy
from scim.profile import Caller
from scim.storage import history, keys
from scim.storage.counters import load_counts
from scim.storage.directory import TableDirectory
from scim.storage.errors import StorageError
from scim.storage.operations import OperationClock
from scim.storage.relays import BackgroundRelays
from scim.storage.table_account import TableAccount
from scim.storage.table_client import TableClient
from settings import Settings
from tenants.authentication import (
    Authenticator,
    LocalOperator,
    OperatorVerifier,
    SecretTokenVerifier,
    Verifier,
)
from tenants.credentials import Credentials
from tenants.entries import EntrySource, FolderEntries, VaultEntries
from tenants.management import Management
from tenants.peppers import Peppers
from tenants.registry import Registry
from tenants.secrets import PEPPER, SIGNING_KEY, SecretStore
from tenants.tables import TableUnavailable
from tenants.throttle import Buckets

if TYPE_CHECKING:
    from gateway.event_services import EventServices
    from gateway.provisioning_log import FailureLog
    from tenants.entra import Entra
    from tenants.issuer_keys import IssuerKeyCache
    from tenants.oauth.token_endpoint import TokenEndpoint
    from tenants.signing_keys import SigningKeys

TENANTS_TABLE = "tenants"
CREDENTIALS_TABLE = "credentials"
SCIM_TABLE = "scim"
HINTS_TABLE = "hints"
RECEIVERS_TABLE = "receivers"
TABLES = (SCIM_TABLE, HINTS_TABLE, TENANTS_TABLE, CREDENTIALS_TABLE, RECEIVERS_TABLE)

_log = logging.getLogger(__name__)


class NotConfigured(Exception):
    """Settings are missing; the text names them, never their values."""


@dataclass(frozen=True)
class Application:
    """The services of this process. Everything is made when first used, and then kept."""

    settings: Settings

    @property
    def is_local(self) -> bool:
        """Whether tables and secrets are those of a laptop."""
        return bool(self.settings.table_connection_string.get_secret_value())

    @cached_property
    def credential(self) -> AsyncTokenCredential:
        """The managed identity in Azure, the person's own on a laptop."""
        from azure.identity.aio import DefaultAzureCredential  # noqa: PLC0415 - only where Azure is used

        return DefaultAzureCredential()

    @cached_property
    def account(self) -> TableAccount:
        """The account of all tables."""
        if self.is_local:
            return TableAccount(self.settings.table_connection_string.get_secret_value())
        return TableAccount(endpoint=self.settings.table_endpoint, credential=self.credential)

    @cached_property
    def scim_table(self) -> TableClient:
        """Every tenant's directory."""
        return self.account.table(SCIM_TABLE)

    @cached_property
    def hints_table(self) -> TableClient:
        """Tenants whose events wait."""
        return self.account.table(HINTS_TABLE)

    @cached_property
    def relays(self) -> BackgroundRelays:
        """Moves events into the feed after writes."""
        return BackgroundRelays(self.scim_table, self.hints_table, on_relayed=self._feed_grew)

    @cached_property
    def receivers_table(self) -> TableClient:
        """Receivers of events, and how far each was served."""
        return self.account.table(RECEIVERS_TABLE)

    @cached_property
    def secrets(self) -> SecretStore:
        """Key Vault, or the folder that stands in for it."""
        if self.settings.local_secrets_dir is not None:
            from tenants.local_secrets import LocalSecretStore  # noqa: PLC0415

            return LocalSecretStore(self.settings.local_secrets_dir)
        from tenants.key_vault import KeyVaultSecretStore, open_secret_client  # noqa: PLC0415

        return KeyVaultSecretStore(open_secret_client(self.settings.key_vault_uri, self.credential))

    @cached_property
    def entries(self) -> EntrySource | None:
        """Where tenants are declared."""
        if self.settings.local_tenants_dir is not None:
            return FolderEntries(self.settings.local_tenants_dir)
        return VaultEntries(self.secrets) if self.settings.key_vault_uri else None

    @cached_property
    def registry(self) -> Registry:
        """The tenants."""
        return Registry(ScimTable(self.account.table(TENANTS_TABLE)), self.entries)

    @cached_property
    def credentials(self) -> Credentials:
        """Their credentials."""
        return Credentials(ScimTable(self.account.table(CREDENTIALS_TABLE)), self.peppers)

    @cached_property
    def peppers(self) -> Peppers:
        """The HMAC keys."""
        return Peppers(self.secrets)

    async def find_cursor_secret(self) -> bytes | None:
        """Return what seals cursors: the same on every instance, so that any can continue a list."""
        pepper = await self.peppers.find_current()
        return pepper.derive("cursors") if pepper is not None else None

    @cached_property
    def authenticator(self) -> Authenticator:
        """Every way to prove who is asking. The cheapest and most frequent one is tried first."""
        from tenants.entra import EntraTokenVerifier  # noqa: PLC0415 - as below: loads the cryptography
        from tenants.oauth.access_tokens import AccessTokenVerifier  # noqa: PLC0415

        verifiers: list[Verifier] = [
            SecretTokenVerifier(self.credentials),
            AccessTokenVerifier(self.signing_keys, self.credentials, origin=self.settings.public_url),
            EntraTokenVerifier(self.entra),
        ]
        return Authenticator(self.registry, self.credentials, verifiers, self._operators())

    @cached_property
    def http(self) -> aiohttp.ClientSession:
        """Outgoing requests to other issuers."""
        return aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())

    @cached_property
    def signing_keys(self) -> "SigningKeys":
        """What signs our access tokens."""
        from tenants.signing_keys import SigningKeys  # noqa: PLC0415

        return SigningKeys(self.secrets)

    @cached_property
    def issuer_keys(self) -> "IssuerKeyCache":
        """What others sign theirs with."""
        from tenants.issuer_keys import IssuerKeyCache  # noqa: PLC0415

        return IssuerKeyCache(self.http)

    @cached_property
    def entra(self) -> "Entra":
        """Microsoft Entra as an issuer."""
        from tenants.entra import Entra  # noqa: PLC0415

        return Entra(self.issuer_keys, self.settings.entra_authority.rstrip("/"))

    @cached_property
    def token_endpoint(self) -> "TokenEndpoint":
        """The tenants' token endpoints."""
        from tenants.oauth.assertions import AssertionVerifier  # noqa: PLC0415
        from tenants.oauth.token_endpoint import TokenEndpoint  # noqa: PLC0415
        from tenants.oauth.used_assertions import UsedAssertions  # noqa: PLC0415

        used = UsedAssertions(ScimTable(self.account.table(CREDENTIALS_TABLE)))
        return TokenEndpoint(
            self.registry,
            self.credentials,
            AssertionVerifier(self.credentials, self.issuer_keys, used),
            self.signing_keys,
            lifetime_seconds=self.settings.access_token_seconds,
        )

    @cached_property
    def management(self) -> Management:
        """The operator's use cases."""
        return Management(self.registry, self.credentials, self.count_resources, self.find_last_change)

    async def find_last_change(self, tenant_id: str) -> str:
        """Return when a tenant's directory last changed, as far as the feed has it; empty for never.

        Raises:
            TableUnavailable: The table cannot be read.
        """
        try:
            return await history.find_last_change(self.scim_table, keys.partition(tenant_id))
        except (StorageBusy, StorageError) as error:
            raise TableUnavailable(f"{type(error).__name__}: {error}") from error

    @cached_property
    def failures(self) -> "FailureLog":
        """Logs requests that failed."""
        from gateway.provisioning_log import FailureLog  # noqa: PLC0415 - knows this module

        return FailureLog(self.scim_table, self.operation_clock, keeps_details=self.settings.log_details)

    async def count_resources(self, tenant_id: str) -> dict[str, int]:
        """Return how many resources of each type a tenant has, exactly and as of now.

        Raises:
            TableUnavailable: The table cannot be read.
        """
        try:
            counts = await load_counts(self.scim_table, keys.partition(tenant_id))
        except (StorageBusy, StorageError) as error:
            raise TableUnavailable(f"{type(error).__name__}: {error}") from error
        return {
            "users": counts.total(ResourceName.USER),
            "groups": counts.total(ResourceName.GROUP),
        }

    @cached_property
    def operation_clock(self) -> OperationClock:
        """Names this process's mutations."""
        return OperationClock()

    @cached_property
    def rates(self) -> Buckets[str]:
        """How fast each tenant sends, on this instance."""
        return Buckets()

    def open_directory(self, tenant_id: str, caller: Caller) -> Directory:
        """Return a tenant's directory for the length of one request that starts now. No I/O."""
        return TableDirectory(
            self.scim_table,
            tenant_id,
            self.operation_clock,
            caller,
            time.monotonic() + self.settings.request_seconds_max,
            scan_candidates_max=self.settings.scan_candidates_max,
            on_commit=self.committed,
        )

    @cached_property
    def events(self) -> "EventServices":
        """The change feed and its deliveries."""
        from gateway.event_services import EventServices  # noqa: PLC0415 - loads the cryptography

        return EventServices(self)

    def committed(self, partition: str) -> None:
        """Have told what a mutation changed. Returns at once; this is what a commit calls."""
        self.relays.start(partition)
        self.events.committed(partition)

    def _feed_grew(self, partition: str) -> None:
        self.events.grown(partition)

    def _operators(self) -> list[OperatorVerifier]:
        from tenants.entra import EntraOperatorVerifier  # noqa: PLC0415

        operators: list[OperatorVerifier] = []
        token = self.settings.operator_token.get_secret_value()
        if token and self.is_local:
            operators.append(LocalOperator(token))
        if self.settings.operator_tenant_id and self.settings.operator_audience:
            operators.append(
                EntraOperatorVerifier(
                    self.entra,
                    directory_id=self.settings.operator_tenant_id,
                    audiences=(self.settings.operator_audience,),
                )
            )
        return operators

    async def prepare(self) -> None:
        """Check the settings, and make what a laptop lacks: tables, pepper, signing key.

        Raises:
            NotConfigured: Settings are missing.
        """
        missing = find_missing_settings(self.settings)
        if missing:
            raise NotConfigured(", ".join(missing))
        if self.is_local:
            await asyncio.gather(*(self.account.table(name).create_table() for name in TABLES))
        if self.settings.local_secrets_dir is not None:
            await asyncio.to_thread(self._make_local_secrets)

    def _make_local_secrets(self) -> None:
        from events.webhook_secrets import WEBHOOK_KEY, make_webhook_key  # noqa: PLC0415
        from tenants.local_secrets import LocalSecretStore, make_pepper  # noqa: PLC0415
        from tenants.signing_keys import PEM_CONTENT_TYPE, generate_signing_key  # noqa: PLC0415

        assert isinstance(self.secrets, LocalSecretStore)
        self.secrets.ensure(PEPPER, make_pepper)
        self.secrets.ensure(WEBHOOK_KEY, make_webhook_key)
        self.secrets.ensure(SIGNING_KEY, generate_signing_key, content_type=PEM_CONTENT_TYPE)


def find_missing_settings(values: Settings) -> list[str]:
    """Return the names of the environment variables without which nothing works."""
    missing = []
    if not values.table_endpoint and not values.table_connection_string.get_secret_value():
        missing.append("SCIM_TABLE_ENDPOINT")
    if not values.key_vault_uri and values.local_secrets_dir is None:
        missing.append("SCIM_KEY_VAULT_URI")
    return missing


async def close(application: Application) -> None:
    """Finish what runs in the background and give back connections. For tests: Azure just stops a process."""
    # What was made last goes first: it uses what was made before it.
    parts: list[Any] = [part for name, part in reversed(vars(application).items()) if name != "settings"]
    for part in parts:
        if isinstance(part, Credentials | Registry):
            await part.finish()
    for part in parts:
        if hasattr(part, "close"):
            await part.close()
