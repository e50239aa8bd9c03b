// A virtual network for the app to reach out through, and private endpoints for the storage that it reaches.

@description('Name of the network.')
param name string
@description('Region.')
param location string
@description('Tags.')
param tags object
@description('Address space, /24 or larger: the subnets take its first two /26.')
param addressPrefix string
@description('The hub\'s storage account.')
param storageAccountId string
@description('The landing account, to be reached privately too; empty for not.')
param landingAccountId string

var services = ['blob', 'queue', 'table']
var hubTargets = [for service in services: { name: 'hub-${service}', service: service, account: storageAccountId }]
var landingTargets = empty(landingAccountId) ? [] : [{ name: 'landing-blob', service: 'blob', account: landingAccountId }]
var targets = concat(hubTargets, landingTargets)

resource vnet 'Microsoft.Network/virtualNetworks@2024-01-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    addressSpace: { addressPrefixes: [addressPrefix] }
    subnets: [
      {
        name: 'app'
        properties: {
          addressPrefix: cidrSubnet(addressPrefix, 26, 0)
          // What Flex Consumption wants.
          delegations: [{ name: 'app', properties: { serviceName: 'Microsoft.App/environments' } }]
        }
      }
      {
        name: 'endpoints'
        properties: {
          addressPrefix: cidrSubnet(addressPrefix, 26, 1)
          privateEndpointNetworkPolicies: 'Disabled'
        }
      }
    ]
  }
}

resource zones 'Microsoft.Network/privateDnsZones@2020-06-01' = [for service in services: {
  name: 'privatelink.${service}.${environment().suffixes.storage}'
  location: 'global'
  tags: tags
}]

resource links 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2020-06-01' = [for (service, i) in services: {
  parent: zones[i]
  name: name
  location: 'global'
  properties: {
    registrationEnabled: false
    virtualNetwork: { id: vnet.id }
  }
}]

resource endpoints 'Microsoft.Network/privateEndpoints@2024-01-01' = [for target in targets: {
  name: 'pe-${name}-${target.name}'
  location: location
  tags: tags
  properties: {
    subnet: { id: '${vnet.id}/subnets/endpoints' }
    privateLinkServiceConnections: [
      {
        name: target.name
        properties: { privateLinkServiceId: target.account, groupIds: [target.service] }
      }
    ]
  }
}]

resource records 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2024-01-01' = [for (target, i) in targets: {
  parent: endpoints[i]
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [
      {
        name: target.service
        properties: { privateDnsZoneId: zones[indexOf(services, target.service)].id }
      }
    ]
  }
}]

@description('The network.')
output vnetId string = vnet.id
@description('The subnet that the app reaches out through.')
output appSubnetId string = '${vnet.id}/subnets/app'
@description('The subnet of private endpoints.')
output endpointSubnetId string = '${vnet.id}/subnets/endpoints'
