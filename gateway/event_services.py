"""The services of the change feed and of its deliveries, once per process, made when first used."""

from functools import cached_property
from typing import TYPE_CHECKING
from uuid import uuid4

from events.background import Deliveries, TenantEvents
from events.delivery import Delivery
from events.feed import Arrivals
from events.messages import Messages
from events.receivers import Receivers
from events.records import Records
from events.role_keeping import RoleKeeping
from events.roles import RoleMapping, RoleRules
from events.sender import Sender
from events.tokens import Signer
from events.webhook_secrets import WebhookSecrets
from scim.storage import keys
from tenants.registry import TenantNotFound
from tenants.tenant import Tenant

if TYPE_CHECKING:
    from gateway.application import Application


class EventServices:
    """What tells applications of changes."""

    def __init__(self, application: "Application") -> None:
        self._application = application

    @cached_property
    def arrivals(self) -> Arrivals:
        """Requests that wait for events."""
        return Arrivals()

    @cached_property
    def signer(self) -> Signer:
        """Signs security event tokens."""
        return Signer(self._application.signing_keys)

    @cached_property
    def secrets(self) -> WebhookSecrets:
        """Derives what webhooks are signed with."""
        return WebhookSecrets(self._application.secrets)

    @cached_property
    def sender(self) -> Sender:
        """Outgoing requests to receivers. Only a laptop may send into its own network."""
        settings = self._application.settings
        return Sender(allows_private=self._application.is_local and settings.allow_private_receivers)

    @cached_property
    def delivery(self) -> Delivery:
        """Serves receivers."""
        table = self._application.receivers_table
        return Delivery(
            self._application.scim_table,
            table,
            Receivers(table),
            Records(table),
            Messages(self.signer, self.secrets),
            self.sender,
            owner=uuid4().hex,
        )

    @cached_property
    def deliveries(self) -> Deliveries:
        """Delivers in the background."""
        return Deliveries(
            self.delivery,
            self._application.hints_table,
            self.secrets,
            self.find_tenant,
            base_url=self._application.settings.public_url.rstrip("/"),
        )

    @cached_property
    def roles(self) -> RoleKeeping:
        """Keeps up to date what users are by their groups."""
        return RoleKeeping(
            self._application.scim_table,
            self._application.operation_clock,
            self._has_role_rules,
            self._load_role_rules,
            self._application.committed,
        )

    async def _has_role_rules(self, partition: str) -> bool:
        tenant = await self._application.registry.find(keys.tenant_id(partition))
        return tenant is not None and tenant.is_active and not find_role_rules(tenant).is_empty

    async def _load_role_rules(self, partition: str) -> RoleRules | None:
        """Return a tenant's rules as they are now, not as a cache has them."""
        try:
            tenant = (await self._application.registry.get(keys.tenant_id(partition))).tenant
        except TenantNotFound:
            return None
        return find_role_rules(tenant) if tenant.is_active else None

    async def find_tenant(self, tenant_id: str) -> TenantEvents | None:
        """Return what deliveries know of a tenant, or None where there is none."""
        tenant = await self._application.registry.find(tenant_id)
        if tenant is None:
            return None
        declared = tuple((receiver.name, receiver.url) for receiver in tenant.event_receivers)
        return TenantEvents(tenant.id, tenant.is_active, tenant.event_values, declared)

    def committed(self, partition: str) -> None:
        """Note that a tenant has an event. Called within its request: starts what is to be done, no more."""
        self.deliveries.committed(partition)

    def grown(self, partition: str) -> None:
        """Tell those who wait, and deliver. Called by the relay."""
        self.arrivals.announce(partition)
        self.deliveries.grown(partition)
        self.roles.grown(partition)

    def changed(self, tenant_id: str) -> None:
        """Do what a tenant's new settings ask for: its roles, and its events that waited. Returns at once."""
        partition = keys.partition(tenant_id)
        self.deliveries.grown(partition)
        self.roles.changed(partition)

    async def close(self) -> None:
        """Finish what runs, and give back connections."""
        made = vars(self)
        if "roles" in made:
            await self.roles.close()
        if "deliveries" in made:
            await self.deliveries.close()
        if "sender" in made:
            await self.sender.close()


def find_role_rules(tenant: Tenant) -> RoleRules:
    """Return how a tenant's groups become roles."""
    mappings = tuple(RoleMapping(one.group, one.roles, one.priority) for one in tenant.role_mappings)
    return RoleRules(mappings, tenant.default_roles)
