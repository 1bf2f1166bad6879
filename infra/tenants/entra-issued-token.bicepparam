// Entra ID with the secret token left blank: Entra signs the requests with a token of its own.
using '../tenant.bicep'

param vaultName = 'kv-scim-example'
param entryName = 'entra-issued-token'
param id = '3d0f6c1e-6a54-4f0e-9a3e-0c7d7f2f1a03'
param displayName = 'Woodgrove'
param entraTenantId = '9c2b5e0a-7f3d-4f5b-8f4f-2a6c0f6e1b03'
param requiredAttributes = ['name.givenName', 'name.familyName', 'emails']
param memberTypes = ['User']
