// One customer of the gateway, declared as a vault entry that holds no secret. The gateway reads it within minutes.
// Deploying it again writes a new version of the same content, which changes nothing.
// docs/reference/tenant-entry.md describes the fields; credentials are issued afterwards, by the scimgw command.
targetScope = 'resourceGroup'

@description('Vault of the installation: the output vaultName of main.bicep.')
param vaultName string

@description('Short name of the entry: letters, digits and dashes. The secret is called tenant-<entryName>.')
@minLength(1)
@maxLength(60)
param entryName string

@description('The tenant: a GUID, part of its SCIM URL. Made once (uuidgen), never changed.')
@minLength(36)
@maxLength(36)
param id string

@description('Name that operators see.')
param displayName string

@description('suspended: data stay, and nobody gets in.')
@allowed(['active', 'suspended'])
param state string = 'active'

@description('Who provisions; okta also takes the token without a scheme, and as Basic.')
@allowed(['entra', 'okta', 'generic'])
param identityProvider string = 'entra'

@description('Directory (tenant) id of the customer\'s Entra, for tokens that Entra issues; empty: none are taken.')
param entraTenantId string = ''

@description('Audiences of Entra-issued tokens; empty: the one of applications outside the gallery.')
param audiences array = []

@description('Issuers of client assertions: { issuer, jwks_url, subject, audience }.')
param federatedIssuers array = []

@description('PUBLIC keys (a JWK set) that the customer\'s client signs its assertions with.')
param jwks object = { keys: [] }

@description('Additional user attributes: { name, type }; type is string, integer, boolean, dateTime or string[].')
param customAttributes array = []

@description('Attributes that a user must have: name.familyName, emails, URN-qualified ones.')
param requiredAttributes array = []

@description('What may be a member of a group: User, Group or both.')
param memberTypes array = ['User', 'Group']

@description('Roles of a user that is created without any.')
param defaultRoles array = []

@description('Roles of the members of groups: { group, roles, priority }.')
param roleMappings array = []

@description('Requests a second that the tenant may send, at least 25; 0: no limit of its own.')
param requestsPerSecond int = 0

@description('Where changes are delivered to: { name, url }.')
param eventReceivers array = []

@description('false: events name the attributes that changed, and tell no values.')
param eventValues bool = true

var limit = requestsPerSecond == 0 ? {} : { requests_per_second: requestsPerSecond }

var entry = {
  id: id
  name: displayName
  state: state
  identity_provider: identityProvider
  entra_tenant_id: entraTenantId
  audiences: audiences
  federated_issuers: federatedIssuers
  jwks: jwks
  custom_attributes: customAttributes
  required_attributes: requiredAttributes
  member_types: memberTypes
  default_roles: defaultRoles
  role_mappings: roleMappings
  event_receivers: eventReceivers
  event_values: eventValues
}

resource vault 'Microsoft.KeyVault/vaults@2026-02-01' existing = {
  name: vaultName
}

resource tenantEntry 'Microsoft.KeyVault/vaults/secrets@2026-02-01' = {
  parent: vault
  name: 'tenant-${entryName}'
  tags: { kind: 'tenant-entry' }
  properties: {
    // checkov:skip=CKV_AZURE_41: a declaration, not a secret; it is valid until it is replaced
    contentType: 'application/vnd.scim-gateway.tenant+json'
    value: string(union(entry, limit))
  }
}

output entryName string = tenantEntry.name
output scimPath string = '/scim/${toLower(id)}'
