// The function app on Flex Consumption, Python 3.13, with one user-assigned identity for all that it reaches.

@description('Name of the app.')
param name string
@description('Region.')
param location string
@description('Tags; azd finds the app by azd-service-name.')
param tags object
@description('Resource id of the app\'s identity.')
param identityId string
@description('Application id of the app\'s identity.')
param identityClientId string
@description('The hub\'s storage account.')
param storageAccountName string
@description('Its container for the app\'s package.')
param packageContainer string
@description('The Application Insights of this resource group that the app tells.')
param applicationInsightsName string
@description('Settings of the service, by name.')
param hubSettings object
@description('Memory of an instance, MB.')
param instanceMemoryMB int
@description('Instances at most.')
param maximumInstanceCount int
@description('Instances that wait for HTTP requests.')
param alwaysReadyInstances int
@description('Subnet that the app reaches out through; empty for none.')
param subnetId string
@description('Whether the app is reached from the internet.')
param publicAccess bool
@description('Entra application that callers sign in to; empty for function keys alone.')
param entraClientId string
@description('Client ids of the applications that may call; none for every one of the tenant.')
param entraAllowedApplications array
@description('What a caller who is not signed in gets.')
param entraUnauthenticated string

resource storage 'Microsoft.Storage/storageAccounts@2023-05-01' existing = {
  name: storageAccountName
}

resource insights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: applicationInsightsName
}

resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
  name: 'plan-${name}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: { name: 'FC1', tier: 'FlexConsumption' }
  properties: { reserved: true }
}

resource app 'Microsoft.Web/sites@2024-04-01' = {
  name: name
  location: location
  tags: tags
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identityId}': {} }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    publicNetworkAccess: publicAccess ? 'Enabled' : 'Disabled'
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    keyVaultReferenceIdentity: identityId
    siteConfig: {
      minTlsVersion: '1.2'
      http20Enabled: true
    }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${storage.properties.primaryEndpoints.blob}${packageContainer}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      scaleAndConcurrency: {
        maximumInstanceCount: maximumInstanceCount
        instanceMemoryMB: instanceMemoryMB
        alwaysReady: alwaysReadyInstances == 0 ? [] : [{ name: 'http', instanceCount: alwaysReadyInstances }]
      }
      runtime: { name: 'python', version: '3.13' }
    }
  }
}

// Flex Consumption takes language and version from functionAppConfig: the FUNCTIONS_ and WEBSITE_ settings of other plans
// are refused there. Bytecode is written: without it each new process would compile all that it imports.
resource settings 'Microsoft.Web/sites/config@2024-04-01' = {
  parent: app
  name: 'appsettings'
  properties: union(hubSettings, {
    AzureWebJobsStorage__accountName: storageAccountName
    AzureWebJobsStorage__credential: 'managedidentity'
    AzureWebJobsStorage__clientId: identityClientId
    // Which identity the Azure SDK signs in with.
    AZURE_CLIENT_ID: identityClientId
    // An address, not a key: the component takes telemetry of identities alone.
    APPLICATIONINSIGHTS_CONNECTION_STRING: insights.properties.ConnectionString
    APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
  })
}

// Publishing is by identity alone.
resource ftpPublishing 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = {
  parent: app
  name: 'ftp'
  properties: { allow: false }
}

resource scmPublishing 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = {
  parent: app
  name: 'scm'
  properties: { allow: false }
}

resource authentication 'Microsoft.Web/sites/config@2024-04-01' = if (!empty(entraClientId)) {
  parent: app
  name: 'authsettingsV2'
  properties: {
    platform: { enabled: true }
    globalValidation: {
      requireAuthentication: true
      unauthenticatedClientAction: entraUnauthenticated
      redirectToProvider: 'azureactivedirectory'
      // Health touches nothing, and Event Grid's webhook has a key of its own.
      excludedPaths: ['/api/health', '/runtime/webhooks/eventgrid']
    }
    httpSettings: { requireHttps: true }
    identityProviders: {
      azureActiveDirectory: {
        enabled: true
        registration: {
          clientId: entraClientId
          openIdIssuer: '${environment().authentication.loginEndpoint}${tenant().tenantId}/v2.0'
        }
        validation: {
          allowedAudiences: [entraClientId, 'api://${entraClientId}']
          defaultAuthorizationPolicy: empty(entraAllowedApplications) ? null : { allowedApplications: entraAllowedApplications }
        }
      }
    }
    login: { tokenStore: { enabled: false } }
  }
}

@description('The app\'s name.')
output name string = app.name
@description('The app\'s resource id.')
output id string = app.id
@description('Where the app is.')
output url string = 'https://${app.properties.defaultHostName}'
