/** What of a request tells where it comes from. */
export interface RequestHeaders {
  host: string | undefined
  origin: string | undefined
  /** As browsers say it by themselves. */
  secFetchSite: string | undefined
}

/**
 * Why a request is not taken, or undefined: a page of somebody else's may send requests from the browser of whoever runs the
 * point, to wherever that browser reaches. A program that is no browser says nothing of an origin.
 */
export function crossOriginProblem ({ host, origin, secFetchSite }: RequestHeaders): string | undefined {
  if (origin != null && URL.parse(origin)?.host !== URL.parse(`http://${host}`)?.host) {
    return `pages of ${origin} may not do this`
  }

  if (secFetchSite != null && secFetchSite !== 'same-origin' && secFetchSite !== 'none') {
    return 'pages of others may not do this'
  }
}
