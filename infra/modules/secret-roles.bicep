// The app's identity reads the secrets that its settings refer to, one by one.

@description('The Key Vault.')
param keyVaultName string
@description('Names of the secrets.')
param secretNames array
@description('Object id of the app\'s identity.')
param principalId string

var secretsUser = '4633458b-17de-408a-b874-0445c86b69e6'

resource secrets 'Microsoft.KeyVault/vaults/secrets@2023-07-01' existing = [for name in secretNames: {
  name: '${keyVaultName}/${name}'
}]

resource readers 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for (name, i) in secretNames: {
  name: guid(secrets[i].id, principalId, secretsUser)
  scope: secrets[i]
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', secretsUser)
    description: 'The hub: reads ${name}'
  }
}]
