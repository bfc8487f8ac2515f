import { createHash } from 'node:crypto'
import { CONFIRM, RELEASE, RESERVE } from './lua/claims.ts'
import { EXPIRE, UNREGISTER } from './lua/end.ts'
import { LIST, LOOK, REGISTRATIONS_OF } from './lua/list.ts'
import { ENTER, LEAVE, POINTS, STOP } from './lua/presence.ts'
import { REGISTER } from './lua/register.ts'
import { REGISTRATIONS } from './lua/registrations.ts'
import { SHARES } from './lua/shares.ts'
import { STATE } from './lua/state.ts'

/** Known to a server by its hash, so that points of different versions each run their own. */
export interface Script {
  readonly source: string
  readonly sha1: string
}

function script (...parts: string[]): Script {
  const source = parts.join('')

  return { source, sha1: createHash('sha1').update(source).digest('hex') }
}

export const SCRIPTS = {
  look: script(STATE, LOOK),
  register: script(STATE, SHARES, REGISTRATIONS, REGISTER),
  unregister: script(STATE, SHARES, REGISTRATIONS, UNREGISTER),
  list: script(STATE, SHARES, LIST),
  registrationsOf: script(STATE, SHARES, REGISTRATIONS, REGISTRATIONS_OF),
  expire: script(STATE, SHARES, REGISTRATIONS, POINTS, EXPIRE),
  enter: script(STATE, SHARES, REGISTRATIONS, POINTS, ENTER, REGISTRATIONS_OF),
  leave: script(STATE, SHARES, REGISTRATIONS, POINTS, LEAVE),
  stop: script(STATE, POINTS, STOP),
  reserve: script(STATE, RESERVE),
  confirm: script(STATE, CONFIRM),
  release: script(STATE, RELEASE)
}
