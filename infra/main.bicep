// The gateway in one resource group: function app, data, secrets, telemetry, alerts.
// Flat resources and plain syntax, so that every offline tool parses it; `make infra-check` runs them.
targetScope = 'resourceGroup'

@description('Short name of this installation: lower-case letters and digits. Part of every resource name.')
@minLength(3)
@maxLength(11)
param name string

@description('Region; must offer Flex Consumption.')
param location string = resourceGroup().location

@description('dev: smaller, locally redundant, and no delete lock. prod: zone-redundant data, with a lock.')
@allowed(['dev', 'prod'])
param environmentKind string = 'prod'

@description('Object id of the Entra group whose members may write the vault secrets: the operators.')
param operatorsGroupId string

@description('Entra tenant that operators sign in to.')
param operatorTenantId string = tenant().tenantId

@description('Application (client) id that operator tokens are issued for; empty: the management API is closed.')
param operatorAudience string = ''

@description('https://host that identity providers use, where a proxy or a custom domain stands in front; empty: as requested.')
param publicUrl string = ''

@description('Where Entra issues tokens: that of this cloud.')
param entraAuthority string = environment().authentication.loginEndpoint

@description('Seconds that access tokens of the token endpoints live; Entra takes one to six hours.')
@minValue(3600)
@maxValue(21600)
param accessTokenSeconds int = 3600

@description('Seconds for one request, retries included; Entra gives up after about 30.')
param requestSecondsMax int = 25

@description('Days that the change feed is kept: a consumer may be away as long as this.')
@minValue(1)
@maxValue(400)
param feedDays int = 30

@description('Days that the provisioning logs of tenants keep failures and show changes.')
@minValue(1)
@maxValue(400)
param logDays int = 30

@description('The provisioning logs keep what a refused request was told: it may name a person.')
param logDetails bool = false

@description('Resources that a filter without an index may read before it gets 400 tooMany.')
param scanCandidatesMax int = 20000

@description('Where alerts are mailed; empty: no alert rules.')
param alertEmail string = ''

@description('Days that logs are kept in the workspace.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 90

@description('Memory of an instance, in MB.')
@allowed([512, 2048, 4096])
param instanceMemoryMB int = 2048

@description('Most instances; bounds the bill.')
@minValue(40)
@maxValue(1000)
param maximumInstanceCount int = 100

@description('HTTP requests that one instance serves at a time. The work is waiting for tables, so more than one.')
@minValue(1)
@maxValue(100)
param httpConcurrency int = 16

@description('Close storage and vault to the internet, and reach them through private endpoints.')
param privateNetwork bool = false

var suffix = uniqueString(subscription().subscriptionId, resourceGroup().id, name)
var tags = { application: 'scim-gateway', installation: name }
var isProd = environmentKind == 'prod'
var hasAlerts = !empty(alertEmail)
var publicAccess = privateNetwork ? 'Disabled' : 'Enabled'

// The built-in roles that the gateway needs, and no other. tests/infra compares this list.
var roleIds = {
  storageBlobDataOwner: 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
  storageTableDataContributor: '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
  keyVaultSecretsUser: '4633458b-17de-408a-b874-0445c86b69e6'
  keyVaultSecretsOfficer: 'b86a8fe4-44ce-4948-aee5-eccb2c155cd7'
  monitoringMetricsPublisher: '3913510d-42f4-4e42-8a64-420c390055eb'
}

// ---------------------------------------------------------------- identity

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-scim-${name}'
  location: location
  tags: tags
}

// ---------------------------------------------------------------- telemetry

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-07-01' = {
  name: 'log-scim-${name}'
  location: location
  tags: tags
  properties: {
    sku: { name: 'PerGB2018' }
    retentionInDays: logRetentionDays
    features: { disableLocalAuth: true }
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: 'appi-scim-${name}'
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: workspace.id
    DisableLocalAuth: true
    IngestionMode: 'LogAnalytics'
  }
}

// ---------------------------------------------------------------- the host's storage: package, leases, keys

resource hostStorage 'Microsoft.Storage/storageAccounts@2025-06-01' = {
  name: take('st${name}host${suffix}', 24)
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: 'Standard_LRS' }
  properties: {
    // checkov:skip=CKV_AZURE_206: the package and the leases are made again by a deployment
    // checkov:skip=CKV_AZURE_33: no queue is used
    // checkov:skip=CKV_AZURE_43: the name is computed; uniqueString and take keep it within the rules
    // checkov:skip=CKV_AZURE_35: the network is closed by the parameter privateNetwork
    // checkov:skip=CKV_AZURE_59: the network is closed by the parameter privateNetwork
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: publicAccess
    networkAcls: {
      defaultAction: privateNetwork ? 'Deny' : 'Allow'
      bypass: 'AzureServices'
    }
  }
}

resource hostBlobs 'Microsoft.Storage/storageAccounts/blobServices@2025-06-01' = {
  parent: hostStorage
  name: 'default'
}

resource packages 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' = {
  parent: hostBlobs
  name: 'packages'
  properties: { publicAccess: 'None' }
}

// ---------------------------------------------------------------- the tenants' data: tables only

resource dataStorage 'Microsoft.Storage/storageAccounts@2025-06-01' = {
  name: take('st${name}data${suffix}', 24)
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: isProd ? 'Standard_ZRS' : 'Standard_LRS' }
  properties: {
    // checkov:skip=CKV_AZURE_206: zone-redundant in prod; a copy in another region is a choice of the customer's law
    // checkov:skip=CKV_AZURE_33: no queue is used
    // checkov:skip=CKV_AZURE_43: the name is computed; uniqueString and take keep it within the rules
    // checkov:skip=CKV_AZURE_35: the network is closed by the parameter privateNetwork
    // checkov:skip=CKV_AZURE_59: the network is closed by the parameter privateNetwork
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: publicAccess
    networkAcls: {
      defaultAction: privateNetwork ? 'Deny' : 'Allow'
      bypass: 'AzureServices'
    }
  }
}

resource dataTables 'Microsoft.Storage/storageAccounts/tableServices@2025-06-01' = {
  parent: dataStorage
  name: 'default'
}

resource directoryTable 'Microsoft.Storage/storageAccounts/tableServices/tables@2025-06-01' = {
  parent: dataTables
  name: 'scim'
}

resource tenantsTable 'Microsoft.Storage/storageAccounts/tableServices/tables@2025-06-01' = {
  parent: dataTables
  name: 'tenants'
}

resource credentialsTable 'Microsoft.Storage/storageAccounts/tableServices/tables@2025-06-01' = {
  parent: dataTables
  name: 'credentials'
}

resource hintsTable 'Microsoft.Storage/storageAccounts/tableServices/tables@2025-06-01' = {
  parent: dataTables
  name: 'hints'
}

resource receiversTable 'Microsoft.Storage/storageAccounts/tableServices/tables@2025-06-01' = {
  parent: dataTables
  name: 'receivers'
}

resource dataLock 'Microsoft.Authorization/locks@2020-05-01' = if (isProd) {
  scope: dataStorage
  name: 'directories'
  properties: {
    level: 'CanNotDelete'
    notes: 'Holds the directories of all tenants.'
  }
}

resource dataLogs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: dataTables
  name: 'writes'
  properties: {
    workspaceId: workspace.id
    logs: [
      { category: 'StorageWrite', enabled: true }
      { category: 'StorageDelete', enabled: true }
    ]
    metrics: [
      { category: 'Transaction', enabled: true }
    ]
  }
}

// ---------------------------------------------------------------- the vault: pepper, signing keys, tenant entries

resource vault 'Microsoft.KeyVault/vaults@2026-02-01' = {
  name: take('kv-${name}-${suffix}', 24)
  location: location
  tags: tags
  properties: {
    // checkov:skip=CKV_AZURE_109: the network is closed by the parameter privateNetwork
    // checkov:skip=CKV_AZURE_189: the network is closed by the parameter privateNetwork
    tenantId: tenant().tenantId
    sku: { family: 'A', name: 'standard' }
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 90
    enablePurgeProtection: true
    enabledForTemplateDeployment: false
    enabledForDeployment: false
    enabledForDiskEncryption: false
    publicNetworkAccess: privateNetwork ? 'Disabled' : 'Enabled'
    networkAcls: {
      defaultAction: privateNetwork ? 'Deny' : 'Allow'
      bypass: 'AzureServices'
    }
  }
}

resource vaultLogs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: vault
  name: 'audit'
  properties: {
    workspaceId: workspace.id
    logs: [
      { categoryGroup: 'audit', enabled: true }
    ]
  }
}

// ---------------------------------------------------------------- roles, before the app exists

resource hostBlobRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: hostStorage
  name: guid(hostStorage.id, identity.id, roleIds.storageBlobDataOwner)
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds.storageBlobDataOwner)
  }
}

resource hostTableRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: hostStorage
  name: guid(hostStorage.id, identity.id, roleIds.storageTableDataContributor)
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds.storageTableDataContributor)
  }
}

resource dataTableRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: dataStorage
  name: guid(dataStorage.id, identity.id, roleIds.storageTableDataContributor)
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds.storageTableDataContributor)
  }
}

resource vaultReadRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: vault
  name: guid(vault.id, identity.id, roleIds.keyVaultSecretsUser)
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds.keyVaultSecretsUser)
  }
}

resource telemetryRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: insights
  name: guid(insights.id, identity.id, roleIds.monitoringMetricsPublisher)
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds.monitoringMetricsPublisher)
  }
}

resource operatorsRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: vault
  name: guid(vault.id, operatorsGroupId, roleIds.keyVaultSecretsOfficer)
  properties: {
    principalId: operatorsGroupId
    principalType: 'Group'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds.keyVaultSecretsOfficer)
  }
}

// ---------------------------------------------------------------- private network (optional)

module network 'modules/private-network.bicep' = if (privateNetwork) {
  name: 'private-network'
  params: {
    name: name
    location: location
    tags: tags
    hostStorageId: hostStorage.id
    dataStorageId: dataStorage.id
    vaultId: vault.id
  }
}

// ---------------------------------------------------------------- the function app

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  name: 'plan-scim-${name}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: { name: 'FC1', tier: 'FlexConsumption' }
  properties: {
    // checkov:skip=CKV_AZURE_211: Flex Consumption is made for production
    // checkov:skip=CKV_AZURE_212: instances are added by demand
    // checkov:skip=CKV_AZURE_225: zone redundancy of Flex Consumption is the customer's choice of price
    reserved: true
  }
}

resource app 'Microsoft.Web/sites@2025-03-01' = {
  name: 'func-scim-${name}-${take(suffix, 6)}'
  location: location
  tags: union(tags, { 'azd-service-name': 'gateway' })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identity.id}': {} }
  }
  dependsOn: [
    hostBlobRole
    hostTableRole
    dataTableRole
    vaultReadRole
    telemetryRole
  ]
  properties: {
    // checkov:skip=CKV_AZURE_17: identity providers have no client certificates
    // checkov:skip=CKV_AZURE_222: identity providers call it from the internet
    // checkov:skip=CKV_AZURE_221: identity providers call it from the internet
    // checkov:skip=CKV_AZURE_213: Flex Consumption has no platform health check; /health serves an outside monitor
    // checkov:skip=CKV_AZURE_88: nothing is mounted
    // checkov:skip=CKV_AZURE_212: instances are added by demand
    serverFarmId: plan.id
    httpsOnly: true
    clientAffinityEnabled: false
    keyVaultReferenceIdentity: identity.id
    virtualNetworkSubnetId: privateNetwork ? network.outputs.appSubnetId : null
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      ftpsState: 'Disabled'
      http20Enabled: true
      remoteDebuggingEnabled: false
    }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${hostStorage.properties.primaryEndpoints.blob}${packages.name}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identity.id
          }
        }
      }
      runtime: { name: 'python', version: '3.13' }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
        triggers: {
          http: { perInstanceConcurrency: httpConcurrency }
        }
      }
    }
  }
}

// Replaces the whole set: a setting made by hand in the portal is gone after the next deployment, on purpose.
resource appSettings 'Microsoft.Web/sites/config@2025-03-01' = {
  parent: app
  name: 'appsettings'
  properties: {
    // checkov:skip=CKV_AZURE_13: the gateway authenticates every request itself
    // checkov:skip=CKV_AZURE_222: identity providers call it from the internet
    // checkov:skip=CKV_AZURE_63: Application Insights has every request
    // checkov:skip=CKV_AZURE_65: error pages with details would tell a stranger too much
    // checkov:skip=CKV_AZURE_66: Application Insights has every request
    // checkov:skip=CKV_AZURE_80: .NET is not used
    // checkov:skip=CKV_AZURE_88: nothing is mounted
    AzureWebJobsStorage__accountName: hostStorage.name
    AzureWebJobsStorage__credential: 'managedidentity'
    AzureWebJobsStorage__clientId: identity.properties.clientId
    APPLICATIONINSIGHTS_CONNECTION_STRING: insights.properties.ConnectionString
    APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identity.properties.clientId};Authorization=AAD'
    AZURE_CLIENT_ID: identity.properties.clientId
    SCIM_TABLE_ENDPOINT: dataStorage.properties.primaryEndpoints.table
    SCIM_KEY_VAULT_URI: vault.properties.vaultUri
    SCIM_PUBLIC_URL: publicUrl
    SCIM_OPERATOR_TENANT_ID: operatorTenantId
    SCIM_OPERATOR_AUDIENCE: operatorAudience
    SCIM_ENTRA_AUTHORITY: entraAuthority
    SCIM_ACCESS_TOKEN_SECONDS: string(accessTokenSeconds)
    SCIM_REQUEST_SECONDS_MAX: string(requestSecondsMax)
    SCIM_FEED_DAYS: string(feedDays)
    SCIM_LOG_DAYS: string(logDays)
    SCIM_LOG_DETAILS: string(logDetails)
    SCIM_SCAN_CANDIDATES_MAX: string(scanCandidatesMax)
  }
}

resource noFtp 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: app
  name: 'ftp'
  properties: { allow: false }
}

resource noBasicPublishing 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: app
  name: 'scm'
  properties: { allow: false }
}

// ---------------------------------------------------------------- alerts, where somebody reads them

resource operatorsMail 'Microsoft.Insights/actionGroups@2023-01-01' = if (hasAlerts) {
  name: 'ag-scim-${name}'
  location: 'global'
  tags: tags
  properties: {
    groupShortName: take('scim-${name}', 12)
    enabled: true
    emailReceivers: [
      { name: 'operators', emailAddress: alertEmail, useCommonAlertSchema: true }
    ]
  }
}

resource failedRequests 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = if (hasAlerts) {
  name: 'scim-${name}-failed-requests'
  location: location
  tags: tags
  properties: {
    displayName: 'SCIM gateway: requests fail'
    description: 'Answers 500 and above. Identity providers retry these, and quarantine a job after too many.'
    severity: 1
    enabled: true
    scopes: [insights.id]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT5M'
    criteria: {
      allOf: [
        {
          query: 'requests | where toint(resultCode) >= 500'
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 5
          failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
        }
      ]
    }
    autoMitigate: true
    actions: { actionGroups: [operatorsMail.id] }
  }
}

resource refusedTokens 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = if (hasAlerts) {
  name: 'scim-${name}-refused-tokens'
  location: location
  tags: tags
  properties: {
    displayName: 'SCIM gateway: credentials are refused'
    description: 'Somebody who guesses, or a client that does not give up. The log names the tenant: authentication_refused.'
    severity: 2
    enabled: true
    scopes: [insights.id]
    evaluationFrequency: 'PT15M'
    windowSize: 'PT15M'
    criteria: {
      allOf: [
        {
          query: 'requests | where resultCode == "401"'
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 50
          failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
        }
      ]
    }
    autoMitigate: true
    actions: { actionGroups: [operatorsMail.id] }
  }
}

resource throttledTables 'Microsoft.Insights/metricAlerts@2018-03-01' = if (hasAlerts) {
  name: 'scim-${name}-throttled-tables'
  location: 'global'
  tags: tags
  properties: {
    description: 'Table Storage throttles: a tenant writes more than its partition takes.'
    severity: 2
    enabled: true
    scopes: [dataTables.id]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT5M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: 'throttled'
          metricNamespace: 'Microsoft.Storage/storageAccounts/tableServices'
          metricName: 'Transactions'
          dimensions: [
            { name: 'ResponseType', operator: 'Include', values: ['ClientThrottlingError', 'ServerBusyError'] }
          ]
          timeAggregation: 'Total'
          operator: 'GreaterThan'
          threshold: 100
        }
      ]
    }
    autoMitigate: true
    actions: [
      { actionGroupId: operatorsMail.id }
    ]
  }
}

resource lateEvents 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = if (hasAlerts) {
  name: 'scim-${name}-late-events'
  location: location
  tags: tags
  properties: {
    displayName: 'SCIM gateway: events are late'
    description: 'The oldest change that has not reached its receiver is more than 15 minutes old.'
    severity: 2
    enabled: true
    scopes: [insights.id]
    evaluationFrequency: 'PT15M'
    windowSize: 'PT15M'
    criteria: {
      allOf: [
        {
          query: 'traces | where message startswith "events_late"'
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
          failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
        }
      ]
    }
    autoMitigate: true
    actions: { actionGroups: [operatorsMail.id] }
  }
}

resource secretWrites 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = if (hasAlerts) {
  name: 'scim-${name}-vault-writes'
  location: location
  tags: tags
  properties: {
    displayName: 'SCIM gateway: a vault secret was written'
    description: 'Tenant entries, pepper and signing keys change by a deployment or a rotation, never by chance.'
    severity: 3
    enabled: true
    scopes: [workspace.id]
    evaluationFrequency: 'PT15M'
    windowSize: 'PT15M'
    criteria: {
      allOf: [
        {
          query: 'AzureDiagnostics | where ResourceProvider == "MICROSOFT.KEYVAULT" and OperationName == "SecretSet"'
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
          failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
        }
      ]
    }
    autoMitigate: true
    actions: { actionGroups: [operatorsMail.id] }
  }
}

output functionAppName string = app.name
output gatewayUrl string = empty(publicUrl) ? 'https://${app.properties.defaultHostName}' : publicUrl
output vaultName string = vault.name
output dataAccountName string = dataStorage.name
output identityClientId string = identity.properties.clientId
