/** What is nobody's business may still be that of who runs the point. */
export interface Shows {
  /** Who was refused. */
  peers: boolean
  /** The names of namespaces. */
  namespaces: boolean
}

/** What the page shows to everybody. Where all may list all namespaces, their names are no secret; among members they may be. */
export function showsOf ({ showPeers = false, network }: { showPeers?: boolean, network?: unknown }): Shows {
  return { peers: showPeers, namespaces: showPeers || network == null }
}
