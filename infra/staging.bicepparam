using 'main.bicep'

// Addresses and ids come from the environment's variables: none is spelled here.
param environmentName = 'staging'
param landingAccountName = readEnvironmentVariable('LANDING_ACCOUNT_NAME')
param landingResourceGroup = readEnvironmentVariable('LANDING_RESOURCE_GROUP')
param landingContainers = ['raw']
param catalog = readEnvironmentVariable('HUB_CATALOG', 'staging')
param databricksHost = readEnvironmentVariable('DATABRICKS_HOST')
param warehouseId = readEnvironmentVariable('HUB_WAREHOUSE_ID')
param loaderJobId = readEnvironmentVariable('HUB_LOADER_JOB_ID')

param storageSku = 'Standard_ZRS'
param logRetentionDays = 30
