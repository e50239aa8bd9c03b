// Who may write which LOB's CSV, on whichever account the CSVs lie; docs/security.md has the table.

@description('The storage account of HUB_CONFIG_ROOT.')
param accountName string
@description('The container of HUB_CONFIG_ROOT.')
param container string
@description('Folder of the container that holds the CSVs.')
param configFolder string
@description('Objects of lob and principalId: who may write which LOB\'s CSV.')
param configWriters array

var blobDataContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
var blobActions = 'Microsoft.Storage/storageAccounts/blobServices/containers/blobs'

resource configContainer 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' existing = {
  name: '${accountName}/default/${container}'
}

// The role has more actions than these; each is either not of a blob's content, or bound to the one path.
resource writers 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for writer in configWriters: {
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
