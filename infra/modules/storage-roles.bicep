// Who may do what on the hub's own storage; docs/security.md has the table.

@description('The hub\'s storage account.')
param storageAccountName string
@description('Object id of the app\'s identity.')
param principalId string
@description('Folder of the container config that holds the CSVs.')
param configFolder string
@description('Objects of lob and principalId: who may write which LOB\'s CSV.')
param configWriters array

var roles = {
  'Storage Blob Data Owner': 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
  'Storage Queue Data Contributor': '974c5e8b-45b9-4653-ba55-0f855dd0fb88'
  'Storage Table Data Contributor': '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
}
var blobDataContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
var blobActions = 'Microsoft.Storage/storageAccounts/blobServices/containers/blobs'

resource account 'Microsoft.Storage/storageAccounts@2023-05-01' existing = {
  name: storageAccountName
}

resource configContainer 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' existing = {
  name: '${storageAccountName}/default/config'
}

resource appRoles 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for role in items(roles): {
  name: guid(account.id, principalId, role.value)
  scope: account
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role.value)
    description: 'The hub: ${role.key}'
  }
}]

// The role has more actions than these; each is either not of a blob's content, or bound to the one path.
resource writerRoles 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for writer in configWriters: {
  name: guid(configContainer.id, writer.principalId, writer.lob)
  scope: configContainer
  properties: {
    principalId: writer.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDataContributor)
    description: 'The release of ${writer.lob}: its own CSV'
    conditionVersion: '2.0'
    condition: '((!(ActionMatches{\'${blobActions}/read\'}) AND !(ActionMatches{\'${blobActions}/write\'}) AND !(ActionMatches{\'${blobActions}/add/action\'}) AND !(ActionMatches{\'${blobActions}/delete\'}) AND !(ActionMatches{\'${blobActions}/move/action\'})) OR (@Resource[${blobActions}:path] StringEquals \'${configFolder}/${writer.lob}_config.csv\'))'
  }
}]
