import { InvalidParametersError } from '@libp2p/interface'
import { MAX_NAMESPACE_LENGTH } from './constants.ts'

const encoder = new TextEncoder()

/** Bytes of a namespace in UTF-8, which is what every limit on it counts. */
export function namespaceLength (namespace: string): number {
  return encoder.encode(namespace).byteLength
}

/**
 * Why a namespace cannot be used, or undefined when it can.
 *
 * A lone surrogate has no UTF-8 form, so it would arrive as another namespace than was meant.
 */
export function namespaceProblem (namespace: string | undefined, maxLength: number = MAX_NAMESPACE_LENGTH): string | undefined {
  if (namespace == null || namespace === '') {
    return 'a namespace is required'
  }

  // a UTF-16 code unit takes at most three bytes, so most namespaces need not be measured
  if (namespace.length * 3 > maxLength) {
    const length = namespaceLength(namespace)

    if (length > maxLength) {
      return `the namespace has ${length} bytes, the most allowed is ${maxLength}`
    }
  }

  if (!namespace.isWellFormed()) {
    return 'the namespace is not well-formed Unicode'
  }
}

/**
 * @throws {InvalidParametersError} when no point could accept the namespace
 */
export function checkNamespace (namespace: string): void {
  const problem = typeof namespace === 'string' ? namespaceProblem(namespace) : 'a namespace is a string'

  if (problem != null) {
    throw new InvalidParametersError(`Invalid namespace: ${problem}`)
  }
}
