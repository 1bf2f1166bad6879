"""What the management API answers, as models: the OpenAPI document is made of them, and tests use it.

The answers themselves are written by ``tenants/views.py`` and the use cases: no model is built for a request.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from events.receivers import ReceiverKind, ReceiverState
from gateway.findings import Level
from tenants.credential import CredentialKind
from tenants.tenant import Owner, Scope, TenantSettings


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FieldError(_Answer):
    """A field that is wrong."""

    field: str
    detail: str


class ProblemAnswer(_Answer):
    """An error (RFC 9457)."""

    title: str
    status: int
    detail: str
    errors: list[FieldError] = []


class TenantAnswer(TenantSettings):
    """A tenant with all its settings."""

    tenant_id: str
    scim_url: str
    token_url: str
    owner: Owner
    entry: str = Field(description="The entry that declares it; empty where the management API owns it.")
    purging: bool
    created: str
    changed: str


class CredentialsState(_Answer):
    """The credentials of a tenant, in short."""

    live: int
    next_expiry: str | None
    last_used: str | None


class EntryError(_Answer):
    """Why an entry of the tenant was refused."""

    entry: str
    detail: str


class Counts(_Answer):
    """How many resources a tenant has."""

    users: int
    groups: int


class TenantShown(TenantAnswer):
    """A tenant with the state of what belongs to it."""

    credentials: CredentialsState
    entry_errors: list[EntryError]
    counts: Counts
    last_change: str | None


class TenantList(_Answer):
    """All tenants."""

    tenants: list[TenantAnswer]


class CredentialAnswer(_Answer):
    """A credential without its secret."""

    credential_id: str
    kind: CredentialKind
    label: str
    scope: Scope
    state: Literal["active", "expired", "revoked"]
    created: str
    expires: str
    revoked: str | None
    last_used: str | None
    issued_by: str
    rotated_from: str
    pepper_version: str


class CredentialList(_Answer):
    """All credentials of a tenant."""

    credentials: list[CredentialAnswer]


class IssuedAnswer(CredentialAnswer):
    """A new credential with its secret, which is shown this once."""

    scim_url: str
    token: str | None = Field(None, description="Of a secret token.")
    client_id: str | None = Field(None, description="Of the other kinds.")
    client_secret: str | None = Field(None, description="Of an OAuth client.")
    token_url: str | None = Field(None, description="Of the kinds that ask for access tokens.")


class EntryAnswer(_Answer):
    """What became of an entry."""

    name: str
    tenant_id: str
    error: str
    read: str


class EntryList(_Answer):
    """All entries."""

    entries: list[EntryAnswer]


class PurgeAnswer(_Answer):
    """How far a purge is."""

    tenant_id: str
    state: Literal["running", "done"]
    rows_deleted: int
    started: str
    quiet_from: str
    ended: str | None
    requested_by: str
    entry: str


class LogEntry(_Answer):
    """A change, or a request that failed; the last four are a failure's."""

    time: str
    result: Literal["success", "failure"]
    action: str
    resource_id: str
    subject: str
    correlation_id: str
    endpoint: str | None = None
    status: int | None = None
    scim_type: str | None = None
    detail: str | None = None


class LogPage(_Answer):
    """A page of a provisioning log."""

    entries: list[LogEntry]
    after: str | None


class ReceiverAnswer(_Answer):
    """A receiver of events, without its secret."""

    receiver_id: str
    tenant_id: str | None = Field(description="Null: of all tenants, also those to come.")
    kind: ReceiverKind
    url: str
    label: str
    audience: str
    issuer: str
    state: ReceiverState
    reason: str
    generation: int
    overlap_until: str | None
    declared: bool
    created: str


class ReceiverMade(ReceiverAnswer):
    """A receiver with its new secret, which is shown this once."""

    secret: str | None = Field(None, description="Of a webhook.")


class StreamAnswer(_Answer):
    """How far a receiver was served in a tenant."""

    tenant_id: str
    cursor: str
    waiting: int
    failures: int
    failing_since: str | None
    next_try: str | None
    held: bool


class ReceiverShown(ReceiverAnswer):
    """A receiver with the state of its deliveries."""

    streams: list[StreamAnswer]


class ReceiverList(_Answer):
    """All receivers."""

    receivers: list[ReceiverAnswer]
    private_receivers_allowed: bool


class DeliveryTest(_Answer):
    """What became of a test event."""

    delivered: bool
    status: int = Field(description="Of the receiver's answer; 0 without one.")
    reason: str
    milliseconds: int


class DeliveryAnswer(_Answer):
    """One attempt to deliver."""

    tenant_id: str
    time: str
    first_event: str
    events: int
    status: int = Field(description="Of the receiver's answer; 0 without one.")
    reason: str
    milliseconds: int


class DeliveryList(_Answer):
    """The last attempts of a receiver."""

    deliveries: list[DeliveryAnswer]


class DeadLetterAnswer(_Answer):
    """An event that was given up, or a stretch of the feed that was gone before it could be delivered."""

    receiver_id: str
    tenant_id: str
    event_id: str | None = Field(description="Null: a stretch of the feed.")
    after: str
    cursor: str
    attempts: int
    reason: str
    given_up: str


class DeadLetterList(_Answer):
    """Dead letters."""

    dead_letters: list[DeadLetterAnswer]


class ReplayFailure(_Answer):
    """A tenant whose dead letters still cannot be delivered."""

    tenant_id: str
    reason: str


class ReplayAnswer(_Answer):
    """What became of dead letters that were sent again."""

    replayed: int
    expired: int
    left: int
    failures: list[ReplayFailure]


class FindingAnswer(_Answer):
    """What one check found."""

    check: str
    level: Level
    detail: str
    next_step: str


class Examination(_Answer):
    """What the gateway found out about itself."""

    ok: bool
    time: str
    public_url: str
    findings: list[FindingAnswer]


class StorageCheckRequest(_Answer):
    """Body of ``POST /manage/tenants/{id}/storage-check``."""

    repair: bool = False


class StorageFinding(_Answer):
    """Something wrong with a tenant's rows."""

    kind: str
    meaning: str
    subject: str
    detail: str
    repaired: bool


class StorageCheckAnswer(_Answer):
    """What is wrong with a tenant's rows; ``findings`` has the first ones of ``count``."""

    tenant_id: str
    ok: bool
    repair: bool
    seconds: float
    count: int
    findings: list[StorageFinding]
