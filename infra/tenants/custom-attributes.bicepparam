// Entra ID with attributes of the vendor's own: plain ones, and one of an extension schema.
using '../tenant.bicep'

param vaultName = 'kv-scim-example'
param entryName = 'custom-attributes'
param id = '3d0f6c1e-6a54-4f0e-9a3e-0c7d7f2f1a06'
param displayName = 'Litware'
param customAttributes = [
  { name: 'profileField_location', type: 'string' }
  { name: 'profileField_skills', type: 'string[]' }
  { name: 'urn:ietf:params:scim:schemas:extension:CustomExtensionName:2.0:User:tag', type: 'string' }
]
