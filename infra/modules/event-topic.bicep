// The landing account's system topic, of which an account has at most one, and an alert on events that are given up.

@description('Name of the environment: several may listen to one landing account, each with an alert of its own.')
param environmentName string
@description('Region of the landing account.')
param location string
@description('Tags.')
param tags object
@description('The landing account.')
param accountName string
@description('The system topic that there is already, with a system-assigned identity; empty to make one.')
param existingTopicName string
@description('Action groups that are told of dead letters.')
param actionGroupIds array

var isNew = empty(existingTopicName)

resource landing 'Microsoft.Storage/storageAccounts@2023-05-01' existing = {
  name: accountName
}

// Its own identity, not a user-assigned one: of the two, storage behind a firewall takes this alone from Event Grid.
resource made 'Microsoft.EventGrid/systemTopics@2022-06-15' = if (isNew) {
  name: 'evgt-${accountName}'
  location: location
  tags: tags
  identity: { type: 'SystemAssigned' }
  properties: {
    source: landing.id
    topicType: 'Microsoft.Storage.StorageAccounts'
  }
}

resource found 'Microsoft.EventGrid/systemTopics@2022-06-15' existing = if (!isNew) {
  name: existingTopicName
}

resource deadLetters 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: 'hub-events-dead-lettered-${environmentName}-${accountName}'
  location: 'global'
  tags: tags
  properties: {
    description: 'Event Grid gave up on events; the sweep loads their files. Runbook: An alert, hub-events-dead-lettered.'
    severity: 3
    enabled: true
    scopes: [isNew ? made.id : found.id]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          name: 'dead letters'
          criterionType: 'StaticThresholdCriterion'
          metricNamespace: 'Microsoft.EventGrid/systemTopics'
          metricName: 'DeadLetteredCount'
          timeAggregation: 'Total'
          operator: 'GreaterThan'
          threshold: 0
        }
      ]
    }
    actions: [for group in actionGroupIds: { actionGroupId: group }]
  }
}

@description('The topic\'s name.')
output name string = isNew ? made.name : found.name
@description('Object id of the topic\'s identity.')
output principalId string = isNew ? made.identity.principalId : found.identity.principalId
