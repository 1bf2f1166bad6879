// A place to try things in: small, locally redundant, no delete lock. The vault's name stays taken for 90 days.
using './main.bicep'

param name = 'scimdev'
param environmentKind = 'dev'
param operatorsGroupId = '00000000-0000-0000-0000-000000000000'
param instanceMemoryMB = 2048
param maximumInstanceCount = 40
param logRetentionDays = 30
