// The hub reads the landing account, container by container, and never writes there.

@description('The landing account.')
param accountName string
@description('Containers that feeds, or configs, lie in.')
param containers array
@description('Object id of the app\'s identity.')
param principalId string

var blobDataReader = '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1'

resource landing 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' existing = [for container in containers: {
  name: '${accountName}/default/${container}'
}]

resource readers 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for (container, i) in containers: {
  name: guid(landing[i].id, principalId, blobDataReader)
  scope: landing[i]
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDataReader)
    description: 'The hub: reads ${container}'
  }
}]
