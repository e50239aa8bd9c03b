using 'main.bicep'

// What azd takes: the values of its environment (`azd env set NAME VALUE`). The other files are for `az`.
param environmentName = readEnvironmentVariable('AZURE_ENV_NAME')
param location = readEnvironmentVariable('AZURE_LOCATION')
param landingAccountName = readEnvironmentVariable('LANDING_ACCOUNT_NAME')
param landingResourceGroup = readEnvironmentVariable('LANDING_RESOURCE_GROUP')
param landingContainers = split(readEnvironmentVariable('LANDING_CONTAINERS', 'raw'), ',')
param catalog = readEnvironmentVariable('HUB_CATALOG')
param databricksHost = readEnvironmentVariable('DATABRICKS_HOST')
param warehouseId = readEnvironmentVariable('HUB_WAREHOUSE_ID')
param loaderJobId = readEnvironmentVariable('HUB_LOADER_JOB_ID', '0')
