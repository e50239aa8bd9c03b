// Application Insights over a Log Analytics workspace. Telemetry comes by identity: the instrumentation key opens nothing.

@description('Name of both, after their usual prefixes.')
param name string
@description('Region.')
param location string
@description('Tags.')
param tags object
@description('Days for which logs are kept.')
param retentionDays int
@description('Object id of the app\'s identity.')
param principalId string

var metricsPublisher = '3913510d-42f4-4e42-8a64-420c390055eb'

resource workspace 'Microsoft.OperationalInsights/workspaces@2023-09-01' = {
  name: 'log-${name}'
  location: location
  tags: tags
  properties: {
    sku: { name: 'PerGB2018' }
    retentionInDays: retentionDays
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: 'appi-${name}'
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: workspace.id
    DisableLocalAuth: true
  }
}

resource publisher 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(insights.id, principalId, metricsPublisher)
  scope: insights
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', metricsPublisher)
    description: 'The hub: sends telemetry'
  }
}

@description('Resource id of the Application Insights.')
output applicationInsightsId string = insights.id
@description('Name of the Application Insights.')
output applicationInsightsName string = insights.name
