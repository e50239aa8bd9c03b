// The hub's Azure side in one resource group: the function app, its storage, its eyes, the events of the landing account.
// What it needs to know of Databricks comes as parameters; docs/azure-setup.md has the order of things.
targetScope = 'resourceGroup'

@description('Name of the environment, such as dev, staging or prod; part of all names.')
@minLength(2)
@maxLength(12)
param environmentName string
@description('Where everything is made.')
param location string = resourceGroup().location
@description('Tags of all resources.')
param tags object = {}

@description('The storage account that files land in. It exists already.')
param landingAccountName string
@description('The resource group of the landing account, in the same subscription.')
param landingResourceGroup string = resourceGroup().name
@description('The region of the landing account, which its events are bound to.')
param landingLocation string = location
@description('Containers of the landing account that feeds may read, and whose events are listened to.')
@minLength(1)
param landingContainers array
@description('Container of the landing account that holds the spokes\' CSVs; empty for one in the hub\'s own storage.')
param landingConfigContainer string = ''
@description('Folder of the config container that holds the spokes\' CSVs.')
param configFolder string = 'feeds'
@description('Spokes\' releases: objects of lob and principalId (of a service principal), each of which may write its LOB\'s CSV and nothing else.')
param configWriters array = []

@description('HUB_CATALOG: the Unity Catalog of this environment.')
param catalog string
@description('DATABRICKS_HOST: the workspace\'s address.')
param databricksHost string
@description('HUB_WAREHOUSE_ID: the SQL warehouse that plans.')
param warehouseId string
@description('HUB_LOADER_JOB_ID: the job that loads; 0 until the bundle is deployed, which needs the identity made here.')
param loaderJobId string
@description('HUB_LOADER_JOBS: job ids of LOBs that have a job of their own, by LOB.')
param loaderJobs object = {}
@description('HUB_ALLOWED_ROOTS: folders that feeds may read below, comma-separated; empty for all of landingContainers.')
param allowedRoots string = ''
@description('HUB_SPOKES: sources and schemas of LOBs that live elsewhere than by the rule, by LOB.')
param spokes object = {}
@description('HUB_LOOKBACK_DAYS: days before today that a request without dates looks at.')
@minValue(0)
param lookbackDays int = 7
@description('HUB_SETTLE_SECONDS: listings ignore files younger than this.')
@minValue(0)
param settleSeconds int = 30
@description('HUB_SWEEP_LOADS: whether a sweep loads the files that no event told of, or only reports them.')
param sweepLoads bool = true
@description('HUB_SWEEP_MINUTES: minutes between two looks over all feeds; 0 for never.')
@minValue(0)
param sweepMinutes int = 60
@description('HUB_KEEP_LOADS_DAYS: days after which the record of a load that has ended is dropped.')
@minValue(1)
param keepLoadsDays int = 400
@description('HUB_OVERDUE_HOURS: hours after which an alert says that a load has not ended.')
@minValue(1)
param overdueHours int = 6
@description('HUB_ALERT_FORMAT: the body of an alert, for Teams or as plain JSON.')
@allowed(['teams', 'json'])
param alertFormat string = 'teams'

@description('Key Vault, in this resource group, with the secrets named below; empty for none.')
param keyVaultName string = ''
@description('Name of the secret that is HUB_ALERT_WEBHOOK; empty for none.')
param alertWebhookSecret string = ''
@description('Name of the secret that is DATABRICKS_TOKEN; empty, as it should be: the identity signs in.')
param databricksTokenSecret string = ''
@description('Name of the secret that is HUB_STORAGE_CONNECTIONS; empty, as it should be: the identity signs in.')
param storageConnectionsSecret string = ''

@description('Where events go: straight to the queue, to the function (which must be published first), or nowhere.')
@allowed(['queue', 'function', 'none'])
param eventDelivery string = 'queue'
@description('An Event Grid system topic that the landing account has already, with an identity of its own; empty to make it.')
param systemTopicName string = ''
@description('Endings of the paths whose events are wanted, such as .csv; none for all.')
param subjectSuffixes array = []
@description('Give Event Grid its two roles on the whole of the hub\'s storage, should it not take them on queue and container.')
param eventRolesOnAccount bool = false

@description('Replication of the hub\'s own storage.')
@allowed(['Standard_LRS', 'Standard_ZRS', 'Standard_GRS', 'Standard_GZRS'])
param storageSku string = 'Standard_ZRS'
@description('Memory of an instance of the function app, MB.')
@allowed([512, 2048, 4096])
param instanceMemoryMB int = 2048
@description('Instances that the function app may have.')
@minValue(1)
@maxValue(1000)
param maximumInstanceCount int = 40
@description('Instances that wait for HTTP requests, so that none meets a cold start; each costs all the time.')
@minValue(0)
param alwaysReadyInstances int = 0
@description('Days for which logs are kept.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 90
@description('Action groups that alert rules tell.')
param actionGroupIds array = []
@description('Seconds for which a due file may wait before an alert.')
@minValue(60)
param lagSeconds int = 7200

@description('A virtual network for the app, and private endpoints for its storage.')
param privateNetwork bool = false
@description('Address space of that network: /24 or larger.')
param vnetAddressPrefix string = '10.20.0.0/24'
@description('A private endpoint for the landing account too; its owner has to approve it where this deployment may not.')
param landingPrivateEndpoint bool = false
@description('The app is reached through its private endpoint alone. Events must then go to the queue.')
param privateApp bool = false

@description('Entra application that callers sign in to before the app sees them; empty for function keys alone.')
param entraClientId string = ''
@description('Client ids of the applications that may call; none for every one of the tenant.')
param entraAllowedApplications array = []
@description('What a caller who is not signed in gets. The operators\' page needs the login page, and ID tokens on the application.')
@allowed(['Return401', 'RedirectToLoginPage'])
param entraUnauthenticated string = 'Return401'

var token = uniqueString(resourceGroup().id, environmentName)
var suffix = environment().suffixes.storage
var landingHost = '${landingAccountName}.dfs.${suffix}'
var landingRoots = join(map(landingContainers, container => 'abfss://${container}@${landingHost}/'), ',')
var configRoot = empty(landingConfigContainer) ? 'abfss://config@${storage.outputs.name}.dfs.${suffix}/${configFolder}' : 'abfss://${landingConfigContainer}@${landingHost}/${configFolder}'
var readContainers = empty(landingConfigContainer) ? landingContainers : union(landingContainers, [landingConfigContainer])
var secretNames = filter([alertWebhookSecret, databricksTokenSecret, storageConnectionsSecret], name => !empty(name))
var secretPrefix = '@Microsoft.KeyVault(VaultName=${keyVaultName};SecretName='

// Every setting of the service. An empty one counts as not set.
var hubSettings = {
  HUB_CATALOG: catalog
  HUB_CONFIG_ROOT: configRoot
  HUB_ALLOWED_ROOTS: empty(allowedRoots) ? landingRoots : allowedRoots
  HUB_LOADER_JOB_ID: loaderJobId
  DATABRICKS_HOST: databricksHost
  HUB_WAREHOUSE_ID: warehouseId
  HUB_LOADER_JOBS: empty(loaderJobs) ? '' : string(loaderJobs)
  DATABRICKS_TOKEN: empty(databricksTokenSecret) ? '' : '${secretPrefix}${databricksTokenSecret})'
  HUB_LOOKBACK_DAYS: string(lookbackDays)
  HUB_SETTLE_SECONDS: string(settleSeconds)
  HUB_SPOKES: empty(spokes) ? '' : string(spokes)
  HUB_STORAGE_CONNECTIONS: empty(storageConnectionsSecret) ? '' : '${secretPrefix}${storageConnectionsSecret})'
  HUB_SWEEP_LOADS: sweepLoads ? 'true' : 'false'
  HUB_SWEEP_MINUTES: string(sweepMinutes)
  HUB_KEEP_LOADS_DAYS: string(keepLoadsDays)
  HUB_OVERDUE_HOURS: string(overdueHours)
  HUB_ALERT_WEBHOOK: empty(alertWebhookSecret) ? '' : '${secretPrefix}${alertWebhookSecret})'
  HUB_ALERT_FORMAT: alertFormat
}

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: 'id-deltalake-hub-${environmentName}'
  location: location
  tags: tags
}

module storage 'modules/storage.bicep' = {
  name: 'storage'
  params: {
    name: 'stdeltahub${token}'
    location: location
    tags: tags
    sku: storageSku
    closed: privateNetwork
  }
}

module storageRoles 'modules/storage-roles.bicep' = {
  name: 'storage-roles'
  params: {
    storageAccountName: storage.outputs.name
    principalId: identity.properties.principalId
  }
}

module configRoles 'modules/config-roles.bicep' = {
  name: 'config-roles-${environmentName}'
  scope: resourceGroup(empty(landingConfigContainer) ? resourceGroup().name : landingResourceGroup)
  params: {
    accountName: empty(landingConfigContainer) ? storage.outputs.name : landingAccountName
    container: empty(landingConfigContainer) ? 'config' : landingConfigContainer
    configFolder: configFolder
    configWriters: configWriters
  }
}

module landingRoles 'modules/landing-roles.bicep' = {
  name: 'landing-roles-${environmentName}'
  scope: resourceGroup(landingResourceGroup)
  params: {
    accountName: landingAccountName
    containers: readContainers
    principalId: identity.properties.principalId
  }
}

module secretRoles 'modules/secret-roles.bicep' = if (!empty(keyVaultName)) {
  name: 'secret-roles'
  params: {
    keyVaultName: keyVaultName
    secretNames: secretNames
    principalId: identity.properties.principalId
  }
}

module monitoring 'modules/monitoring.bicep' = {
  name: 'monitoring'
  params: {
    name: 'deltalake-hub-${environmentName}'
    location: location
    tags: tags
    retentionDays: logRetentionDays
    principalId: identity.properties.principalId
  }
}

module alerts 'alerts.bicep' = {
  name: 'alerts'
  params: {
    environmentName: environmentName
    location: location
    applicationInsightsId: monitoring.outputs.applicationInsightsId
    actionGroupIds: actionGroupIds
    lagSeconds: lagSeconds
  }
}

module network 'modules/network.bicep' = if (privateNetwork) {
  name: 'network'
  params: {
    name: 'vnet-deltalake-hub-${environmentName}'
    location: location
    tags: tags
    addressPrefix: vnetAddressPrefix
    storageAccountId: storage.outputs.id
    landingAccountId: landingPrivateEndpoint ? resourceId(landingResourceGroup, 'Microsoft.Storage/storageAccounts', landingAccountName) : ''
  }
}

module functionApp 'modules/function-app.bicep' = {
  name: 'function-app'
  params: {
    name: 'func-deltalake-hub-${environmentName}-${token}'
    location: location
    tags: union(tags, { 'azd-service-name': 'hub' })
    identityId: identity.id
    identityClientId: identity.properties.clientId
    storageAccountName: storage.outputs.name
    packageContainer: storage.outputs.packageContainer
    applicationInsightsName: monitoring.outputs.applicationInsightsName
    hubSettings: hubSettings
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    alwaysReadyInstances: alwaysReadyInstances
    subnetId: privateNetwork ? network.outputs.appSubnetId : ''
    publicAccess: !privateApp
    entraClientId: entraClientId
    entraAllowedApplications: entraAllowedApplications
    entraUnauthenticated: entraUnauthenticated
  }
  // The host reads its storage as soon as it starts, and the platform the secrets as soon as settings refer to them.
  // Without a Key Vault there is no secretRoles, and Azure Resource Manager leaves it out here.
  dependsOn: [storageRoles, secretRoles]
}

module appEndpoint 'modules/app-endpoint.bicep' = if (privateNetwork && privateApp) {
  name: 'app-endpoint'
  params: {
    location: location
    tags: tags
    functionAppName: functionApp.outputs.name
    vnetId: privateNetwork ? network.outputs.vnetId : ''
    subnetId: privateNetwork ? network.outputs.endpointSubnetId : ''
  }
}

module eventTopic 'modules/event-topic.bicep' = if (eventDelivery != 'none') {
  name: 'event-topic-${environmentName}'
  scope: resourceGroup(landingResourceGroup)
  params: {
    environmentName: environmentName
    location: landingLocation
    tags: tags
    accountName: landingAccountName
    existingTopicName: systemTopicName
    actionGroupIds: actionGroupIds
  }
}

module eventRoles 'modules/event-roles.bicep' = if (eventDelivery != 'none') {
  name: 'event-roles'
  params: {
    storageAccountName: storage.outputs.name
    queueName: storage.outputs.eventQueue
    deadLetterContainer: storage.outputs.deadLetterContainer
    principalId: eventDelivery != 'none' ? eventTopic.outputs.principalId : ''
    toQueue: eventDelivery == 'queue'
    onAccount: eventRolesOnAccount
  }
}

module eventSubscriptions 'modules/event-subscriptions.bicep' = if (eventDelivery != 'none') {
  name: 'event-subscriptions-${environmentName}'
  scope: resourceGroup(landingResourceGroup)
  params: {
    environmentName: environmentName
    topicName: eventDelivery != 'none' ? eventTopic.outputs.name : ''
    containers: landingContainers
    subjectSuffixes: subjectSuffixes
    storageAccountId: storage.outputs.id
    deadLetterContainer: storage.outputs.deadLetterContainer
    queueName: eventDelivery == 'queue' ? storage.outputs.eventQueue : ''
    functionId: '${functionApp.outputs.id}/functions/on_blob_created'
  }
  // Event Grid looks at its roles when a subscription is made.
  dependsOn: [eventRoles]
}

@description('The function app\'s name, for whoever publishes to it.')
output functionAppName string = functionApp.outputs.name
@description('Where the service is: HUB_URL of hubctl.')
output functionAppUrl string = functionApp.outputs.url
@description('The identity\'s application id: the service\'s principal in Databricks, service_principal_id of the bundle.')
output identityClientId string = identity.properties.clientId
@description('The hub\'s own storage account.')
output storageAccountName string = storage.outputs.name
@description('HUB_CONFIG_ROOT: where spokes\' releases put their CSVs.')
output configRoot string = configRoot
