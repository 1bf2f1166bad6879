// Entra ID; the admin enters a token endpoint, a client id and a client secret (OAuth 2.0 client credentials).
using '../tenant.bicep'

param vaultName = 'kv-scim-example'
param entryName = 'entra-client-credentials'
param id = '3d0f6c1e-6a54-4f0e-9a3e-0c7d7f2f1a02'
param displayName = 'Fabrikam'
