import { access } from 'node:fs/promises'
import { resolve } from 'node:path'
import { peerIdFromString } from '@libp2p/peer-id'
import { createNetwork, issueToken, readToken as readClaims, verifyToken } from 'libp2p-rendezvous/network'
import { formatDuration } from './durations.ts'
import { describe, Failure, UsageError } from './failures.ts'
import { parseValue, peer } from './flags.ts'
import { keyFileOf, readNetwork, readNetworkKey, writeNetwork, writeNetworkKey } from './network-file.ts'
import { clean, table } from './output.ts'
import { readToken } from './token.ts'
import type { NetworkFlags } from './options.ts'
import type { FlagValues } from './flags.ts'
import type { CommandContext } from './context.ts'
import type { Membership } from 'libp2p-rendezvous/network'

type Values = FlagValues<NetworkFlags>

const DEFAULT_FILE = 'network.json'

/**
 * Makes a network, and tokens of it.
 */
export async function runNetwork (action: 'create' | 'invite' | 'inspect' | 'revoke', subject: string | undefined, values: Values, context: CommandContext): Promise<number> {
  const file = values.network ?? DEFAULT_FILE

  if (action === 'create') {
    return create(file, context)
  }

  if (subject == null) {
    throw new UsageError(`network ${action} needs ${action === 'invite' ? 'a peer id' : action === 'inspect' ? 'a token, or @ and its file' : 'a peer id, a token, or the id of one'}`)
  }

  switch (action) {
    case 'invite': return invite(file, subject, values, context)
    case 'inspect': return inspect(subject, values, context)
    default: return revoke(file, subject, values, context)
  }
}

async function create (file: string, { output, json }: CommandContext): Promise<number> {
  for (const path of [file, keyFileOf(file)]) {
    if (await access(path).then(() => true, () => false)) {
      throw new Failure(`${resolve(path)} is there already: choose another place with --network FILE`)
    }
  }

  const { id, privateKey } = await createNetwork()
  await writeNetworkKey(file, privateKey)
  await writeNetwork(file, { network: id, revoked: [] })
  const [path, key] = [resolve(file), resolve(keyFileOf(file))]

  if (json) {
    output.json({ network: id, file: path, key })
  } else {
    table([['Network', output.bold(id)], ['For points', path], ['For whoever invites', `${key} (keep it: who has it lets others in)`]]).forEach(line => { output.print(line) })
  }

  return 0
}

async function invite (file: string, subject: string, { namespace, action, lifetime, json = false }: Values, { output }: CommandContext): Promise<number> {
  const who = parseValue('PEER', peer, subject)
  const { network, revoked } = await readNetwork(file)

  if (revoked.includes(who.toString())) {
    throw new Failure(`${who} is revoked: take that back with network revoke ${who} --undo`)
  }

  const token = await issueToken({
    privateKey: await readNetworkKey(file, network),
    peer: who,
    ...(namespace == null ? {} : { namespaces: namespace }),
    ...(action == null ? {} : { actions: action }),
    ...(lifetime == null ? {} : { lifetime })
  })

  if (json) {
    output.json({ token, ...toJson(readClaims(token)) })
  } else {
    // alone, also where the output is no terminal: it is for a file
    output.print(token)
  }

  return 0
}

async function inspect (subject: string, values: Values, { output, json }: CommandContext): Promise<number> {
  const token = await readToken(subject)
  const membership = claimsOf(token)
  const { issuer, peer, id, namespaces, actions, notBefore, expires } = membership
  const trust = values.network == null ? { network: issuer, revoked: [] } : await readNetwork(values.network)
  const problem = await verifyToken(token, { issuers: [trust.network], revoked: new Set(trust.revoked), peer }).then(() => undefined, (err: Error) => err.message)

  if (json) {
    output.json({ ...toJson(membership), isGood: problem == null, ...(problem == null ? {} : { problem }) })
  } else {
    const left = expires - Date.now()

    table([
      ['Network', clean(issuer)],
      ['Peer', clean(peer)],
      ['Id', id],
      ['Namespaces', namespaces.map(clean).join(', ')],
      ['Actions', actions.join(', ')],
      ['From', new Date(notBefore).toISOString()],
      ['Until', `${new Date(expires).toISOString()}${left > 0 ? ` (${formatDuration(left)})` : ''}`],
      ['', problem ?? `good${values.network == null ? ', as far as its network is concerned; --network FILE tells what is revoked' : ''}`]
    ]).forEach(line => { output.print(line) })
  }

  return problem == null ? 0 : 1
}

async function revoke (file: string, subject: string, { undo = false }: Values, { output, json }: CommandContext): Promise<number> {
  const { network, revoked } = await readNetwork(file)
  const id = await revocable(subject)
  const others = revoked.filter(other => other !== id)
  await writeNetwork(file, { network, revoked: undo ? others : [...others, id] })

  if (json) {
    output.json({ [undo ? 'restored' : 'revoked']: id })
  } else {
    output.print(`${undo ? 'Good again' : 'Revoked'}: ${id}. Points that were started with ${resolve(file)} know it within some seconds.`)
  }

  return 0
}

/** What is put on the list: a peer, or a token by its id. */
async function revocable (subject: string): Promise<string> {
  const text = await readToken(subject)

  try {
    return peerIdFromString(text).toString()
  } catch {}

  if (text.includes('.') && text.length > 64) {
    return claimsOf(text).id
  }

  if (!/^[\w.:-]{1,64}$/.test(text)) {
    throw new UsageError('SUBJECT takes a peer id, a token, or the id of one')
  }

  return text
}

/**
 * @throws {Failure} that has nothing of the token
 */
function claimsOf (token: string): Membership {
  try {
    return readClaims(token)
  } catch (err) {
    throw new Failure(describe(err), { cause: err })
  }
}

function toJson ({ issuer, notBefore, expires, ...rest }: Membership): object {
  return { network: issuer, ...rest, notBefore: new Date(notBefore).toISOString(), expires: new Date(expires).toISOString() }
}
