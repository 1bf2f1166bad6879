// Production: zone-redundant data with a delete lock, alerts, private network.
using './main.bicep'

param name = 'scim'
param environmentKind = 'prod'
param operatorsGroupId = '00000000-0000-0000-0000-000000000000'
param alertEmail = 'operators@example.com'
param privateNetwork = true
param instanceMemoryMB = 2048
param maximumInstanceCount = 100
param logRetentionDays = 90
