// Okta; header authentication with a secret token.
using '../tenant.bicep'

param vaultName = 'kv-scim-example'
param entryName = 'okta'
param id = '3d0f6c1e-6a54-4f0e-9a3e-0c7d7f2f1a05'
param displayName = 'Tailspin'
param identityProvider = 'okta'
