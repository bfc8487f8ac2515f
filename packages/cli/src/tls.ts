import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createSecureContext } from 'node:tls'
import { describe, Failure, lineFor } from './failures.ts'
import { LOOK_INTERVAL, whenChanged } from './watch-files.ts'
import type { KeyObject } from 'node:crypto'

/** A certificate with its key, in PEM, as secure WebSockets serve it. */
export interface Certificate {
  cert: string
  key: string
  /** Hosts that it is for, by their names: those that are one, and not many as `*.example.com` is. */
  hosts: string[]
  /** Whether it is for this address. */
  isFor: (ip: string) => boolean
  /** What whoever runs the point should know of it. */
  notes: string[]
}

export interface CertificateFiles {
  cert: string
  key: string
}

/**
 * @throws {Failure} when they cannot be served
 */
export async function readCertificate (files: CertificateFiles): Promise<Certificate> {
  const [cert, key] = await Promise.all([readPem(files.cert), readPem(files.key)])
  const certificate = parse('certificate', files.cert, () => new X509Certificate(cert))
  const privateKey: KeyObject = parse('private key', files.key, () => createPrivateKey(key))

  if (!certificate.checkPrivateKey(privateKey)) {
    throw new Failure(`the private key in ${files.key} is not that of the certificate in ${files.cert}: give two that belong together with --tls-cert and --tls-key`)
  }

  // what else is in the file, which may be others' certificates
  parse('certificate', files.cert, () => createSecureContext({ cert, key }))

  return {
    cert,
    key,
    hosts: hostsIn(certificate),
    isFor: ip => certificate.checkIP(ip) != null,
    notes: certificate.validToDate.getTime() < Date.now() ? [`The certificate in ${files.cert} has ended (${certificate.validTo}): browsers refuse it`] : []
  }
}

/**
 * Reads a certificate again whenever its files change.
 *
 * @param current - as it was read before
 * @param onRenewed - called with each that is another
 * @param note - tells whoever runs the point of it
 * @returns ends it
 */
export function followCertificate (files: CertificateFiles, current: Certificate, onRenewed: (certificate: Certificate) => void, note: (text: string) => void): () => void {
  let { cert, key } = current

  return whenChanged([resolve(files.cert), resolve(files.key)], async () => {
    try {
      // the one may have been written before the other
      const read = await readCertificate(files).catch(async () => {
        await delay(LOOK_INTERVAL)

        return readCertificate(files)
      })

      if (read.cert !== cert || read.key !== key) {
        ;({ cert, key } = read)
        onRenewed(read)
        read.notes.forEach(note)
        note(`The certificate was read again, because it has changed: ${files.cert}`)
      }
    } catch (err) {
      note(`The certificate was not read again, and is as it was: ${lineFor(err)}`)
    }
  })
}

async function readPem (file: string): Promise<string> {
  return readFile(file, 'utf8').catch(err => { throw new Failure(`${file} cannot be read (${describe(err)}): name the files of a certificate with --tls-cert and --tls-key`, { cause: err }) })
}

function parse <T> (what: string, file: string, parse: () => T): T {
  try {
    return parse()
  } catch (err) {
    throw new Failure(`there is no ${what} in ${file} that can be used: it takes one in PEM, without a password`, { cause: err })
  }
}

function hostsIn ({ subjectAltName = '' }: X509Certificate): string[] {
  return subjectAltName.split(', ').filter(name => /^DNS:[^*]+$/.test(name)).map(name => name.slice('DNS:'.length))
}
