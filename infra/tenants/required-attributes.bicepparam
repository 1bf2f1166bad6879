// Entra ID; a user without these attributes is refused with an error that names the missing one.
using '../tenant.bicep'

param vaultName = 'kv-scim-example'
param entryName = 'required-attributes'
param id = '3d0f6c1e-6a54-4f0e-9a3e-0c7d7f2f1a07'
param displayName = 'Proseware'
param requiredAttributes = [
  'name.givenName'
  'name.familyName'
  'emails'
  'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department'
]
