// One subscription a container: events of files that are complete, to the queue or to the function.

@description('Name of the environment: several may listen to one landing account.')
param environmentName string
@description('The landing account\'s system topic.')
param topicName string
@description('Containers to listen to.')
param containers array
@description('Endings of the paths that are wanted; none for all.')
param subjectSuffixes array
@description('The hub\'s storage account.')
param storageAccountId string
@description('Its container of dead letters.')
param deadLetterContainer string
@description('Its queue of events; empty for delivery to the function.')
param queueName string
@description('The function, for delivery to it.')
param functionId string

// Calls after which a blob is complete (hub_core/events.py), and those that rename one, or a folder of them.
var apis = ['FlushWithClose', 'PutBlob', 'PutBlockList', 'CopyBlob', 'SftpCommit', 'CompleteFileUpload', 'RenameFile', 'RenameDirectory', 'SftpRename']
var complete = [{ operatorType: 'StringIn', key: 'data.api', values: apis }]
var ending = empty(subjectSuffixes) ? [] : [{ operatorType: 'StringEndsWith', key: 'subject', values: subjectSuffixes }]
var toQueue = {
  deliveryWithResourceIdentity: {
    identity: { type: 'SystemAssigned' }
    destination: {
      endpointType: 'StorageQueue'
      properties: { resourceId: storageAccountId, queueName: queueName, queueMessageTimeToLiveInSeconds: 604800 }
    }
  }
}
var toFunction = {
  destination: {
    endpointType: 'AzureFunction'
    properties: { resourceId: functionId, maxEventsPerBatch: 1, preferredBatchSizeInKilobytes: 64 }
  }
}

resource topic 'Microsoft.EventGrid/systemTopics@2022-06-15' existing = {
  name: topicName
}

resource subscriptions 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2022-06-15' = [for container in containers: {
  parent: topic
  name: take('deltalake-hub-${environmentName}-${container}', 64)
  properties: union(empty(queueName) ? toFunction : toQueue, {
    eventDeliverySchema: 'EventGridSchema'
    filter: {
      subjectBeginsWith: '/blobServices/default/containers/${container}/blobs/'
      isSubjectCaseSensitive: true
      includedEventTypes: ['Microsoft.Storage.BlobCreated', 'Microsoft.Storage.BlobRenamed', 'Microsoft.Storage.DirectoryRenamed']
      advancedFilters: concat(complete, ending)
    }
    retryPolicy: { maxDeliveryAttempts: 30, eventTimeToLiveInMinutes: 1440 }
    deadLetterWithResourceIdentity: {
      identity: { type: 'SystemAssigned' }
      deadLetterDestination: {
        endpointType: 'StorageBlob'
        properties: { resourceId: storageAccountId, blobContainerName: deadLetterContainer }
      }
    }
  })
}]
