// Entra ID with workload identity federation: a signed assertion instead of a client secret.
using '../tenant.bicep'

param vaultName = 'kv-scim-example'
param entryName = 'entra-federated'
param id = '3d0f6c1e-6a54-4f0e-9a3e-0c7d7f2f1a04'
param displayName = 'Northwind'
param entraTenantId = '9c2b5e0a-7f3d-4f5b-8f4f-2a6c0f6e1b04'
param federatedIssuers = [
  {
    issuer: 'https://login.microsoftonline.com/9c2b5e0a-7f3d-4f5b-8f4f-2a6c0f6e1b04/v2.0'
    jwks_url: 'https://login.microsoftonline.com/9c2b5e0a-7f3d-4f5b-8f4f-2a6c0f6e1b04/discovery/v2.0/keys'
    subject: '5b1f0f9e-2f0e-4b57-9a63-4d7b6e1c9d04'
    audience: 'api://scim-gateway'
  }
]
