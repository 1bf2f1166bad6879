// Storage and vault behind private endpoints; the app itself stays public, since identity providers must reach it.
targetScope = 'resourceGroup'

@description('Short name of this installation.')
param name string

@description('Region of the network: the app\'s.')
param location string

@description('Tags of every resource.')
param tags object

@description('Resource id of the host\'s storage account.')
param hostStorageId string

@description('Resource id of the tenants\' storage account.')
param dataStorageId string

@description('Resource id of the vault.')
param vaultId string

@description('Address space of the network; must not overlap with networks it is peered with.')
param addressPrefix string = '10.60.0.0/24'

@description('Addresses for the app\'s instances.')
param appSubnetPrefix string = '10.60.0.0/26'

@description('Addresses for the private endpoints.')
param endpointSubnetPrefix string = '10.60.0.64/27'

var storageSuffix = environment().suffixes.storage
var vaultZoneName = 'privatelink.vaultcore.azure.net'

resource network 'Microsoft.Network/virtualNetworks@2025-05-01' = {
  name: 'vnet-scim-${name}'
  location: location
  tags: tags
  properties: {
    addressSpace: { addressPrefixes: [addressPrefix] }
    subnets: [
      {
        name: 'app'
        properties: {
          addressPrefix: appSubnetPrefix
          delegations: [
            { name: 'flex', properties: { serviceName: 'Microsoft.App/environments' } }
          ]
        }
      }
      {
        name: 'endpoints'
        properties: {
          addressPrefix: endpointSubnetPrefix
          privateEndpointNetworkPolicies: 'Enabled'
        }
      }
    ]
  }
}

resource blobZone 'Microsoft.Network/privateDnsZones@2024-06-01' = {
  name: 'privatelink.blob.${storageSuffix}'
  location: 'global'
  tags: tags
}

resource tableZone 'Microsoft.Network/privateDnsZones@2024-06-01' = {
  name: 'privatelink.table.${storageSuffix}'
  location: 'global'
  tags: tags
}

resource vaultZone 'Microsoft.Network/privateDnsZones@2024-06-01' = {
  name: vaultZoneName
  location: 'global'
  tags: tags
}

resource blobLink 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = {
  parent: blobZone
  name: 'scim-${name}'
  location: 'global'
  properties: {
    registrationEnabled: false
    virtualNetwork: { id: network.id }
  }
}

resource tableLink 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = {
  parent: tableZone
  name: 'scim-${name}'
  location: 'global'
  properties: {
    registrationEnabled: false
    virtualNetwork: { id: network.id }
  }
}

resource vaultLink 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = {
  parent: vaultZone
  name: 'scim-${name}'
  location: 'global'
  properties: {
    registrationEnabled: false
    virtualNetwork: { id: network.id }
  }
}

resource hostBlobEndpoint 'Microsoft.Network/privateEndpoints@2025-05-01' = {
  name: 'pe-scim-${name}-host-blob'
  location: location
  tags: tags
  properties: {
    subnet: { id: network.properties.subnets[1].id }
    privateLinkServiceConnections: [
      { name: 'blob', properties: { privateLinkServiceId: hostStorageId, groupIds: ['blob'] } }
    ]
  }
}

resource hostTableEndpoint 'Microsoft.Network/privateEndpoints@2025-05-01' = {
  name: 'pe-scim-${name}-host-table'
  location: location
  tags: tags
  properties: {
    subnet: { id: network.properties.subnets[1].id }
    privateLinkServiceConnections: [
      { name: 'table', properties: { privateLinkServiceId: hostStorageId, groupIds: ['table'] } }
    ]
  }
}

resource dataTableEndpoint 'Microsoft.Network/privateEndpoints@2025-05-01' = {
  name: 'pe-scim-${name}-data-table'
  location: location
  tags: tags
  properties: {
    subnet: { id: network.properties.subnets[1].id }
    privateLinkServiceConnections: [
      { name: 'table', properties: { privateLinkServiceId: dataStorageId, groupIds: ['table'] } }
    ]
  }
}

resource vaultEndpoint 'Microsoft.Network/privateEndpoints@2025-05-01' = {
  name: 'pe-scim-${name}-vault'
  location: location
  tags: tags
  properties: {
    subnet: { id: network.properties.subnets[1].id }
    privateLinkServiceConnections: [
      { name: 'vault', properties: { privateLinkServiceId: vaultId, groupIds: ['vault'] } }
    ]
  }
}

resource hostBlobRecords 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2025-05-01' = {
  parent: hostBlobEndpoint
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [
      { name: 'blob', properties: { privateDnsZoneId: blobZone.id } }
    ]
  }
}

resource hostTableRecords 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2025-05-01' = {
  parent: hostTableEndpoint
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [
      { name: 'table', properties: { privateDnsZoneId: tableZone.id } }
    ]
  }
}

resource dataTableRecords 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2025-05-01' = {
  parent: dataTableEndpoint
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [
      { name: 'table', properties: { privateDnsZoneId: tableZone.id } }
    ]
  }
}

resource vaultRecords 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2025-05-01' = {
  parent: vaultEndpoint
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [
      { name: 'vault', properties: { privateDnsZoneId: vaultZone.id } }
    ]
  }
}

output appSubnetId string = network.properties.subnets[0].id
