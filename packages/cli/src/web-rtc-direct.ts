import { createHash, createPrivateKey, KeyObject, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { defaultLogger } from '@libp2p/logger'
import { Key } from 'interface-datastore'
import { toString } from 'uint8arrays/to-string'
import { describe, Failure } from './failures.ts'
import { boundedWebRtcDirect } from './patches/web-rtc-direct.ts'
import { writePrivately } from './private-file.ts'
import type { DirectTransport } from './patches/web-rtc-direct.ts'
import type { Network, Origin } from 'libp2p-rendezvous'

/**
 * WebRTC-direct, which browsers reach without a certificate that others vouch for: the hash of its own is in the address.
 * All that the program knows of it is in this file and its patch, for browsers are about to have another version of it.
 */

type WebRtc = typeof import('@libp2p/webrtc')

/** Beside identity and registrations. */
const FILE = 'webrtc-direct.pem'

/** As long as nobody is told another address. Browsers look at the hash, and not at the time. */
const LIFESPAN = 10 * 365 * 24 * 60 * 60_000

/** A certificate with its key, in PEM, and its hash as an address has it. */
export interface DirectCertificate {
  pem: string
  privateKey: string
  certhash: string
}

/**
 * @returns undefined where @libp2p/webrtc is not installed
 * @throws {Failure} where it is, and does not run on this machine
 */
export async function loadWebRtc (): Promise<WebRtc | undefined> {
  try {
    return await import('@libp2p/webrtc')
  } catch (err: any) {
    if (err.code === 'ERR_MODULE_NOT_FOUND' && String(err.message).includes("'@libp2p/webrtc'")) {
      return
    }

    throw new Failure(`@libp2p/webrtc is installed, and cannot be used here (${describe(err)}): give --listen with other addresses, or install it again`, { cause: err })
  }
}

/**
 * The transport, with a certificate of its own.
 *
 * @param directory - where that is kept; in memory when there is none
 * @throws {Failure}
 */
export async function webRtcDirect (webRtc: WebRtc, directory: string | undefined, networkOf: (origin: Origin) => Network): Promise<DirectTransport> {
  const certificate = directory == null ? await createCertificate(webRtc) : await keptCertificate(webRtc, join(directory, FILE))

  // no servers to be asked for this node's address: it is in no address of its own that was asked for
  return boundedWebRtcDirect(webRtc.webRTCDirect({ certificate, rtcConfiguration: { iceServers: [] } }), networkOf)
}

async function keptCertificate (webRtc: WebRtc, file: string): Promise<DirectCertificate> {
  let text: string

  try {
    text = await readFile(file, 'utf8')
  } catch (err: any) {
    if (err.code !== 'ENOENT') {
      throw new Failure(`the certificate for browsers in ${file} cannot be read (${describe(err)}): run this as the user who owns it`, { cause: err })
    }

    const certificate = await createCertificate(webRtc)
    await writePrivately(file, certificate.privateKey + certificate.pem).catch(err => {
      throw new Failure(`the certificate for browsers cannot be written to ${file} (${describe(err)})`, { cause: err })
    })

    return certificate
  }

  try {
    return fromPem(text)
  } catch (err) {
    throw new Failure(`${file} is not the certificate for browsers with its key: restore it from a backup, or move it away to get a new one, and with it a new address`, { cause: err })
  }
}

function fromPem (text: string): DirectCertificate {
  const key = createPrivateKey(text)
  const certificate = new X509Certificate(text)

  if (!certificate.checkPrivateKey(key)) {
    throw new Error('They do not belong together')
  }

  // a multihash of SHA-256 in the alphabet of base64url
  const hash = Buffer.concat([Buffer.from([0x12, 0x20]), createHash('sha256').update(certificate.raw).digest()])

  return {
    pem: certificate.toString(),
    privateKey: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
    certhash: `u${toString(hash, 'base64url')}`
  }
}

/** What is here relied on of the transport: it makes certificates, but keeps none for so long without making another. */
interface CertificateMaker {
  createCertificate: (key: Key, keys: CryptoKeyPair) => Promise<{ toString: (format: 'pem') => string }>
}

async function createCertificate (webRtc: WebRtc): Promise<DirectCertificate> {
  const maker = webRtc.webRTCDirect({ certificateLifespan: LIFESPAN })({ logger: defaultLogger() } as unknown as Parameters<DirectTransport>[0]) as unknown as CertificateMaker
  const keys = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify'])
  const certificate = await maker.createCertificate(new Key('/unused'), keys)

  return fromPem(`${KeyObject.from(keys.privateKey).export({ type: 'pkcs8', format: 'pem' }).toString()}${certificate.toString('pem')}\n`)
}
