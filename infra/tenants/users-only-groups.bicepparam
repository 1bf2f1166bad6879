// Groups whose members are users only; a group inside a group is refused.
using '../tenant.bicep'

param vaultName = 'kv-scim-example'
param entryName = 'users-only-groups'
param id = '3d0f6c1e-6a54-4f0e-9a3e-0c7d7f2f1a08'
param displayName = 'Adatum'
param memberTypes = ['User']
