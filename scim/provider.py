"""What a tenant's service provider offers: resource types, schemas, capabilities, tolerance. Pure.

Most tenants have no custom attributes and share one provider; building one takes some milliseconds.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Final

from scim2_models import (
    URI,
    Attribute,
    AuthenticationScheme,
    Bulk,
    ChangePassword,
    ETag,
    External,
    Filter,
    Pagination,
    Patch,
    Reference,
    Required,
    Resource,
    ResourceType,
    Schema,
    SchemaExtension,
    ScimPolicy,
    ScimProvider,
    ServiceProviderConfig,
    Sort,
)

from scim import limits
from scim.attributes import Catalogue
from scim.documents import ResourceName
from scim.models import Group, split_name, user_models
from scim.profile import CustomAttribute, TenantProfile

# Providers kept: one for each set of custom attributes in use, about 0.4 MiB each.
_PROVIDERS_MAX: Final = 128

POLICY: Final = ScimPolicy(
    # Entra sends attributes and sub-attributes that no schema has (a role's displayName).
    unknown=ScimPolicy.Unknown.ignore,
    # Entra removes values by listing them.
    remove_value_as_filter=ScimPolicy.RemoveValue.apply,
    # Entra expects emails[type eq "work"].value to make the address that it describes.
    unmatched_path_filter=ScimPolicy.UnmatchedPathFilter.create,
)


def _config() -> ServiceProviderConfig:
    return ServiceProviderConfig(
        patch=Patch(supported=True),
        bulk=Bulk(
            supported=True,
            max_operations=limits.BULK_OPERATIONS_MAX,
            max_payload_size=limits.BODY_BYTES_MAX,
        ),
        filter=Filter(supported=True, max_results=limits.PAGE_SIZE_MAX),
        change_password=ChangePassword(supported=False),
        sort=Sort(supported=True),
        etag=ETag(supported=True),
        pagination=Pagination(
            cursor=True,
            index=True,
            default_pagination_method=Pagination.DefaultPaginationMethod.index,
            default_page_size=limits.PAGE_SIZE_DEFAULT,
            max_page_size=limits.PAGE_SIZE_MAX,
            cursor_timeout=limits.CURSOR_TIMEOUT_SECONDS,
        ),
        authentication_schemes=[
            AuthenticationScheme(
                type=AuthenticationScheme.Type.oauthbearertoken,
                name="OAuth Bearer Token",
                description="A secret token, or an access token that Microsoft Entra ID issued",
                spec_uri=Reference[External]("https://www.rfc-editor.org/info/rfc6750"),
                primary=True,
            ),
            AuthenticationScheme(
                type=AuthenticationScheme.Type.oauth2,
                name="OAuth 2.0 client credentials",
                description="An access token from this service's token endpoint",
                spec_uri=Reference[External]("https://www.rfc-editor.org/info/rfc6749"),
            ),
        ],
    )


@dataclass(frozen=True, slots=True)
class Kind:
    """A resource type, with everything that serving it takes.

    Attributes:
        resource_name: Which one.
        resource_type: As ``/ResourceTypes`` publishes it.
        model: Its model, extensions included.
        catalogue: Its attributes.
        endpoint: ``Users`` or ``Groups``.
    """

    resource_name: ResourceName
    resource_type: ResourceType
    model: type[Resource[Any]]
    catalogue: Catalogue
    endpoint: str


class TenantProvider(ScimProvider):
    """The engine's description of a service, with a tenant's custom and required attributes."""

    def __init__(
        self, custom_attributes: tuple[CustomAttribute, ...], required_attributes: tuple[str, ...]
    ) -> None:
        """Build the models and schemas.

        Args:
            custom_attributes: Users' additional attributes.
            required_attributes: Paths that ``/Schemas`` marks as required.

        Raises:
            ValueError: The custom attributes cannot be had together.
        """
        user, extensions = user_models(custom_attributes)
        self._required_attributes = required_attributes
        super().__init__(
            models=[user, Group, *extensions],
            resource_types=[
                _resource_type(ResourceName.USER, user, "User Account", extensions),
                _resource_type(ResourceName.GROUP, Group, "Group", []),
            ],
            config=_config(),
            policy=POLICY,
        )
        self.kinds: Mapping[ResourceName, Kind] = {
            ResourceName(str(resource_type.name)): self._kind(resource_type)
            for resource_type in self.resource_types
        }

    @cached_property
    def schemas(self) -> tuple[Schema, ...]:
        """What ``/Schemas`` publishes, the tenant's required attributes marked."""
        schemas = tuple(model.to_schema() for model in self.models)
        user = schemas[0]
        for path in self._required_attributes:
            urn, name = split_name(path)
            for schema in [user] if not urn else schemas:
                if not urn or str(schema.id).lower() == urn.lower():
                    _mark_required(schema, name)
        return schemas

    def _kind(self, resource_type: ResourceType) -> Kind:
        model = self.model_for(resource_type)
        by_urn = {str(schema.id): schema for schema in self.schemas}
        extensions = [by_urn[str(each.schema_)] for each in resource_type.schema_extensions or ()]
        return Kind(
            resource_name=ResourceName(str(resource_type.name)),
            resource_type=resource_type,
            model=model,  # type: ignore[arg-type]
            catalogue=Catalogue(by_urn[str(resource_type.schema_)], extensions),
            endpoint=str(resource_type.endpoint).strip("/"),
        )


def get_provider(profile: TenantProfile) -> TenantProvider:
    """Return the provider for a tenant's protocol settings.

    Raises:
        ValueError: The tenant's custom attributes cannot be had together.
    """
    return _build_provider(profile.custom_attributes, profile.required_attributes)


_build_provider = lru_cache(maxsize=_PROVIDERS_MAX)(TenantProvider)


def _resource_type(
    name: ResourceName, model: type[Resource[Any]], description: str, extensions: Iterable[Any]
) -> ResourceType:
    return ResourceType(
        id=name,
        name=name,
        description=description,
        endpoint=Reference[URI](f"/{name}s"),
        schema_=Reference[URI](model.__schema__),
        schema_extensions=[
            SchemaExtension(schema_=Reference[URI](extension.__schema__), required=False)
            for extension in extensions
        ],
    )


def _mark_required(schema: Schema, name: str) -> None:
    """Mark an attribute, or a sub-attribute and not its parent, as required; ignore an unknown name."""
    attributes: list[Attribute] = schema.attributes or []
    for part in name.lower().split("."):
        found = next((each for each in attributes if str(each.name).lower() == part), None)
        if found is None:
            return
        attributes = found.sub_attributes or []
        if part == name.lower().rpartition(".")[2]:
            found.required = Required.true
