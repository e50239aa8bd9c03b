// Alert rules over what the hub tells of itself; docs/observability.md lists the metrics, docs/runbook.md what to do.
// A load that fails also raises an alert of its own, to HUB_ALERT_WEBHOOK.

@description('Name of the environment; the names of rules and workbook end in it.')
param environmentName string
@description('Region.')
param location string = resourceGroup().location
@description('The Application Insights that the function app is connected to.')
param applicationInsightsId string
@description('Action groups that are told.')
param actionGroupIds array = []
@description('Seconds for which a due file may wait.')
param lagSeconds int = 7200

var rules = [
  {
    name: 'hub-silent'
    description: 'No round of reconcile has ended: the service does nothing. Runbook: The service is silent.'
    severity: 1
    // Without `by`, summarize makes a row of no rows.
    query: 'customMetrics | where name == "hub.reconciles" | summarize rounds = count() | where rounds == 0'
  }
  {
    name: 'hub-loads-failed'
    description: 'Loads ended FAILED or PARTIAL. Runbook: An alert, Load ended FAILED.'
    severity: 2
    query: 'customMetrics | where name == "hub.loads" and tostring(customDimensions.state) in ("FAILED", "PARTIAL")'
  }
  {
    name: 'hub-feed-lag'
    description: 'A due file has waited for too long. Runbook: Files are late.'
    severity: 2
    query: 'customMetrics | where name == "hub.feed.lag" and value > ${lagSeconds}'
  }
  {
    name: 'hub-events-missed'
    description: 'The sweep found files that no event told of. Runbook: Files are late.'
    severity: 3
    query: 'customMetrics | where name == "hub.feed.missed" and value > 0'
  }
  {
    name: 'hub-events-poisoned'
    description: 'Events that could not be dealt with. Runbook: Poisoned messages and events.'
    severity: 3
    query: 'customMetrics | where name == "hub.events" and tostring(customDimensions.outcome) in ("poisoned", "refused")'
  }
  // A message that meets faults comes back after 5, 10, 20, 40, 80, 160 and then each 300 seconds: one load alone makes
  // 8 faults in its first 15 minutes, and 3 in any 15 of the hour. So the only load of a night is enough.
  {
    name: 'hub-faults'
    description: 'Dependencies keep failing. Runbook: A dependency is away.'
    severity: 3
    query: 'customMetrics | where name == "hub.faults" | summarize faults = sum(value) | where faults >= 3'
  }
  {
    name: 'hub-overdue'
    description: 'A load takes longer than HUB_OVERDUE_HOURS. Runbook: An alert, Load is RUNNING since.'
    severity: 2
    query: 'traces | where message has "OVERDUE"'
  }
  {
    name: 'hub-alerts-not-taken'
    description: 'The webhook does not take alerts. Runbook: Alerts do not arrive.'
    severity: 2
    query: 'traces | where message has "ALERT_NOT_SENT" or message has "ALERT_REFUSED"'
  }
]

resource alerts 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [for rule in rules: {
  name: '${rule.name}-${environmentName}'
  location: location
  properties: {
    displayName: '${rule.name}-${environmentName}'
    description: rule.description
    severity: rule.severity
    enabled: true
    scopes: [applicationInsightsId]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    criteria: {
      allOf: [
        {
          query: rule.query
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
          failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
        }
      ]
    }
    actions: { actionGroups: actionGroupIds }
    autoMitigate: true
  }
}]

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(resourceGroup().id, 'deltalake-hub', environmentName)
  location: location
  kind: 'shared'
  properties: {
    displayName: 'Delta Lake ingestion hub (${environmentName})'
    category: 'workbook'
    sourceId: applicationInsightsId
    serializedData: loadTextContent('workbook.json')
  }
}
