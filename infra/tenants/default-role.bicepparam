// Users that come without a role get one; the tenant may send 50 requests a second to an instance.
using '../tenant.bicep'

param vaultName = 'kv-scim-example'
param entryName = 'default-role'
param id = '3d0f6c1e-6a54-4f0e-9a3e-0c7d7f2f1a09'
param displayName = 'Wingtip'
param defaultRoles = ['Reader']
param requestsPerSecond = 50
