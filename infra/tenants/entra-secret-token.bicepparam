// Entra ID; the customer's admin pastes the tenant URL and a secret token.
using '../tenant.bicep'

param vaultName = 'kv-scim-example'
param entryName = 'entra-secret-token'
param id = '3d0f6c1e-6a54-4f0e-9a3e-0c7d7f2f1a01'
param displayName = 'Contoso'
