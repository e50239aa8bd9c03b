using 'main.bicep'

// Addresses and ids come from the environment's variables: none is spelled here.
param environmentName = 'prod'
param landingAccountName = readEnvironmentVariable('LANDING_ACCOUNT_NAME')
param landingResourceGroup = readEnvironmentVariable('LANDING_RESOURCE_GROUP')
param landingContainers = ['raw']
param catalog = readEnvironmentVariable('HUB_CATALOG', 'prod')
param databricksHost = readEnvironmentVariable('DATABRICKS_HOST')
param warehouseId = readEnvironmentVariable('HUB_WAREHOUSE_ID')
param loaderJobId = readEnvironmentVariable('HUB_LOADER_JOB_ID')

param storageSku = 'Standard_ZRS'
param logRetentionDays = 90
param alwaysReadyInstances = 1
param privateNetwork = true
param actionGroupIds = [readEnvironmentVariable('HUB_ACTION_GROUP_ID')]
param keyVaultName = readEnvironmentVariable('HUB_KEY_VAULT_NAME', '')
param alertWebhookSecret = readEnvironmentVariable('HUB_ALERT_WEBHOOK_SECRET', '')
param entraClientId = readEnvironmentVariable('HUB_ENTRA_CLIENT_ID', '')
