/** The server answers, but a store cannot be kept there; the message says why. */
export class UnusableServerError extends Error {
  override name = 'UnusableServerError'
}

/** The server is a node of a cluster, and the client that reached it is one of a single server. */
export class ClusterNodeError extends UnusableServerError {
  override name = 'ClusterNodeError'

  constructor () {
    super('the server is a node of a cluster, which takes a client that is made by createCluster')
  }
}

/** What is to be written goes to another server. */
export class ReplicaError extends UnusableServerError {
  override name = 'ReplicaError'

  constructor () {
    super('the server is a replica, and the primary is needed')
  }
}
