// Users that come without a role get one; deleted users are kept, inactive, for 60 days.
using '../tenant.bicep'

param vaultName = 'kv-scim-example'
param entryName = 'default-role'
param id = '3d0f6c1e-6a54-4f0e-9a3e-0c7d7f2f1a09'
param displayName = 'Wingtip'
param defaultRoles = ['Reader']
param deletion = { mode: 'deactivate', purge_after_days: 60 }
param requestsPerSecond = 50
