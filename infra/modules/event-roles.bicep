// Event Grid puts events into one queue, and those that it gives up on into one container.

@description('The hub\'s storage account.')
param storageAccountName string
@description('The queue of events.')
param queueName string
@description('The container of dead letters.')
param deadLetterContainer string
@description('Object id of the system topic\'s identity.')
param principalId string
@description('Whether events go to the queue.')
param toQueue bool
@description('Both roles on the whole account.')
param onAccount bool

var queueSender = 'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a'
var blobDataContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
var wanted = toQueue ? [queueSender, blobDataContributor] : [blobDataContributor]

resource account 'Microsoft.Storage/storageAccounts@2023-05-01' existing = {
  name: storageAccountName
}

resource queue 'Microsoft.Storage/storageAccounts/queueServices/queues@2023-05-01' existing = {
  name: '${storageAccountName}/default/${queueName}'
}

resource container 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' existing = {
  name: '${storageAccountName}/default/${deadLetterContainer}'
}

resource sends 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (toQueue && !onAccount) {
  name: guid(queue.id, principalId, queueSender)
  scope: queue
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', queueSender)
    description: 'Event Grid: puts events into ${queueName}'
  }
}

resource givesUp 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!onAccount) {
  name: guid(container.id, principalId, blobDataContributor)
  scope: container
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDataContributor)
    description: 'Event Grid: puts dead letters into ${deadLetterContainer}'
  }
}

resource whole 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for role in wanted: if (onAccount) {
  name: guid(account.id, principalId, role)
  scope: account
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
    description: 'Event Grid: events and dead letters'
  }
}]
