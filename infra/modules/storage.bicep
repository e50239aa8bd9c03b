// The hub's own storage: the Functions host's, the queues, the documents, the package, the configs, the dead letters.
// The table of loads is made by the service.

@description('Name of the storage account.')
param name string
@description('Region.')
param location string
@description('Tags.')
param tags object
@description('Replication.')
param sku string
@description('Reached through private endpoints, and by Event Grid, alone.')
param closed bool

var containers = ['delta-hub', 'app-package', 'config', 'dead-letters']
var queues = ['loads', 'loads-poison', 'blob-events', 'blob-events-poison']

resource account 'Microsoft.Storage/storageAccounts@2023-05-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: sku }
  properties: {
    // Identities alone: there is no key that could leak.
    allowSharedKeyAccess: false
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    // Event Grid comes as a trusted service, which a wholly disabled public network would lock out.
    publicNetworkAccess: 'Enabled'
    networkAcls: {
      defaultAction: closed ? 'Deny' : 'Allow'
      bypass: 'AzureServices'
    }
  }
}

resource blobService 'Microsoft.Storage/storageAccounts/blobServices@2023-05-01' = {
  parent: account
  name: 'default'
  properties: {
    deleteRetentionPolicy: { enabled: true, days: 7 }
  }
}

resource blobContainers 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' = [for container in containers: {
  parent: blobService
  name: container
}]

resource queueService 'Microsoft.Storage/storageAccounts/queueServices@2023-05-01' = {
  parent: account
  name: 'default'
}

resource storageQueues 'Microsoft.Storage/storageAccounts/queueServices/queues@2023-05-01' = [for queue in queues: {
  parent: queueService
  name: queue
}]

@description('The account\'s name.')
output name string = account.name
@description('The account\'s resource id.')
output id string = account.id
@description('Where the app\'s package lies.')
output packageContainer string = blobContainers[1].name
@description('Where events lie that could not be delivered.')
output deadLetterContainer string = blobContainers[3].name
@description('Where Event Grid puts events.')
output eventQueue string = storageQueues[2].name
