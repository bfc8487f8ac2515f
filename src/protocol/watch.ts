import { decodeMessage, encodeMessage, enumeration, MaxLengthError, message, streamMessage } from 'protons-runtime'
import type { Codec, DecodeOptions } from 'protons-runtime'
import type { Uint8ArrayList } from 'uint8arraylist'

export interface WatchRequest {
  subscribe?: WatchRequest.Subscribe
  unsubscribe?: WatchRequest.Unsubscribe
  presence?: WatchRequest.Presence
}

export namespace WatchRequest {
  export interface Subscribe {
    id?: number
    ns?: string
    cookie?: Uint8Array<ArrayBuffer>
    bothForms?: boolean
    token?: string
  }

  export namespace Subscribe {
    let _codec: Codec<Subscribe>

    export const codec = (): Codec<Subscribe> => {
      if (_codec == null) {
        _codec = message<Subscribe>((obj, w, opts = {}) => {
          if (opts.lengthDelimited !== false) {
            w.fork()
          }

          if (obj.id != null) {
            w.uint32(8)
            w.uint32(obj.id)
          }

          if (obj.ns != null) {
            w.uint32(18)
            w.string(obj.ns)
          }

          if (obj.cookie != null) {
            w.uint32(26)
            w.bytes(obj.cookie)
          }

          if (obj.bothForms != null) {
            w.uint32(32)
            w.bool(obj.bothForms)
          }

          if (obj.token != null) {
            w.uint32(42)
            w.string(obj.token)
          }

          if (opts.lengthDelimited !== false) {
            w.ldelim()
          }
        }, (reader, length, opts = {}) => {
          const obj: any = {}

          const end = length == null ? reader.len : reader.pos + length

          while (reader.pos < end) {
            const tag = reader.uint32()

            switch (tag >>> 3) {
              case 1: {
                obj.id = reader.uint32()
                break
              }
              case 2: {
                obj.ns = reader.string()
                break
              }
              case 3: {
                obj.cookie = reader.bytes()
                break
              }
              case 4: {
                obj.bothForms = reader.bool()
                break
              }
              case 5: {
                obj.token = reader.string()
                break
              }
              default: {
                reader.skipType(tag & 7)
                break
              }
            }
          }

          return obj
        }, function * (reader, length, prefix, opts = {}) {
          const end = length == null ? reader.len : reader.pos + length

          while (reader.pos < end) {
            const tag = reader.uint32()

            switch (tag >>> 3) {
              case 1: {
                yield {
                  field: `${prefix}.id`,
                  value: reader.uint32()
                }
                break
              }
              case 2: {
                yield {
                  field: `${prefix}.ns`,
                  value: reader.string()
                }
                break
              }
              case 3: {
                yield {
                  field: `${prefix}.cookie`,
                  value: reader.bytes()
                }
                break
              }
              case 4: {
                yield {
                  field: `${prefix}.bothForms`,
                  value: reader.bool()
                }
                break
              }
              case 5: {
                yield {
                  field: `${prefix}.token`,
                  value: reader.string()
                }
                break
              }
              default: {
                reader.skipType(tag & 7)
                break
              }
            }
          }
        })
      }

      return _codec
    }

    export interface SubscribeIdFieldEvent {
      field: '$.id'
      value: number
    }

    export interface SubscribeNsFieldEvent {
      field: '$.ns'
      value: string
    }

    export interface SubscribeCookieFieldEvent {
      field: '$.cookie'
      value: Uint8Array<ArrayBuffer>
    }

    export interface SubscribeBothFormsFieldEvent {
      field: '$.bothForms'
      value: boolean
    }

    export interface SubscribeTokenFieldEvent {
      field: '$.token'
      value: string
    }

    export function encode (obj: Partial<Subscribe>): Uint8Array<ArrayBuffer> {
      return encodeMessage(obj, Subscribe.codec())
    }

    export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Subscribe>): Subscribe {
      return decodeMessage(buf, Subscribe.codec(), opts)
    }

    export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Subscribe>): Generator<SubscribeIdFieldEvent | SubscribeNsFieldEvent | SubscribeCookieFieldEvent | SubscribeBothFormsFieldEvent | SubscribeTokenFieldEvent> {
      return streamMessage(buf, Subscribe.codec(), opts)
    }
  }

  export interface Unsubscribe {
    id?: number
  }

  export namespace Unsubscribe {
    let _codec: Codec<Unsubscribe>

    export const codec = (): Codec<Unsubscribe> => {
      if (_codec == null) {
        _codec = message<Unsubscribe>((obj, w, opts = {}) => {
          if (opts.lengthDelimited !== false) {
            w.fork()
          }

          if (obj.id != null) {
            w.uint32(8)
            w.uint32(obj.id)
          }

          if (opts.lengthDelimited !== false) {
            w.ldelim()
          }
        }, (reader, length, opts = {}) => {
          const obj: any = {}

          const end = length == null ? reader.len : reader.pos + length

          while (reader.pos < end) {
            const tag = reader.uint32()

            switch (tag >>> 3) {
              case 1: {
                obj.id = reader.uint32()
                break
              }
              default: {
                reader.skipType(tag & 7)
                break
              }
            }
          }

          return obj
        }, function * (reader, length, prefix, opts = {}) {
          const end = length == null ? reader.len : reader.pos + length

          while (reader.pos < end) {
            const tag = reader.uint32()

            switch (tag >>> 3) {
              case 1: {
                yield {
                  field: `${prefix}.id`,
                  value: reader.uint32()
                }
                break
              }
              default: {
                reader.skipType(tag & 7)
                break
              }
            }
          }
        })
      }

      return _codec
    }

    export interface UnsubscribeIdFieldEvent {
      field: '$.id'
      value: number
    }

    export function encode (obj: Partial<Unsubscribe>): Uint8Array<ArrayBuffer> {
      return encodeMessage(obj, Unsubscribe.codec())
    }

    export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Unsubscribe>): Unsubscribe {
      return decodeMessage(buf, Unsubscribe.codec(), opts)
    }

    export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Unsubscribe>): Generator<UnsubscribeIdFieldEvent> {
      return streamMessage(buf, Unsubscribe.codec(), opts)
    }
  }

  export interface Presence {
    live?: boolean
  }

  export namespace Presence {
    let _codec: Codec<Presence>

    export const codec = (): Codec<Presence> => {
      if (_codec == null) {
        _codec = message<Presence>((obj, w, opts = {}) => {
          if (opts.lengthDelimited !== false) {
            w.fork()
          }

          if (obj.live != null) {
            w.uint32(8)
            w.bool(obj.live)
          }

          if (opts.lengthDelimited !== false) {
            w.ldelim()
          }
        }, (reader, length, opts = {}) => {
          const obj: any = {}

          const end = length == null ? reader.len : reader.pos + length

          while (reader.pos < end) {
            const tag = reader.uint32()

            switch (tag >>> 3) {
              case 1: {
                obj.live = reader.bool()
                break
              }
              default: {
                reader.skipType(tag & 7)
                break
              }
            }
          }

          return obj
        }, function * (reader, length, prefix, opts = {}) {
          const end = length == null ? reader.len : reader.pos + length

          while (reader.pos < end) {
            const tag = reader.uint32()

            switch (tag >>> 3) {
              case 1: {
                yield {
                  field: `${prefix}.live`,
                  value: reader.bool()
                }
                break
              }
              default: {
                reader.skipType(tag & 7)
                break
              }
            }
          }
        })
      }

      return _codec
    }

    export interface PresenceLiveFieldEvent {
      field: '$.live'
      value: boolean
    }

    export function encode (obj: Partial<Presence>): Uint8Array<ArrayBuffer> {
      return encodeMessage(obj, Presence.codec())
    }

    export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Presence>): Presence {
      return decodeMessage(buf, Presence.codec(), opts)
    }

    export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Presence>): Generator<PresenceLiveFieldEvent> {
      return streamMessage(buf, Presence.codec(), opts)
    }
  }

  let _codec: Codec<WatchRequest>

  export const codec = (): Codec<WatchRequest> => {
    if (_codec == null) {
      _codec = message<WatchRequest>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if (obj.subscribe != null) {
          w.uint32(10)
          WatchRequest.Subscribe.codec().encode(obj.subscribe, w)
        }

        if (obj.unsubscribe != null) {
          w.uint32(18)
          WatchRequest.Unsubscribe.codec().encode(obj.unsubscribe, w)
        }

        if (obj.presence != null) {
          w.uint32(26)
          WatchRequest.Presence.codec().encode(obj.presence, w)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {}

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.subscribe = WatchRequest.Subscribe.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.subscribe
              })
              break
            }
            case 2: {
              obj.unsubscribe = WatchRequest.Unsubscribe.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.unsubscribe
              })
              break
            }
            case 3: {
              obj.presence = WatchRequest.Presence.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.presence
              })
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield * WatchRequest.Subscribe.codec().stream(reader, reader.uint32(), `${prefix}.subscribe`, {
                limits: opts.limits?.subscribe
              })

              break
            }
            case 2: {
              yield * WatchRequest.Unsubscribe.codec().stream(reader, reader.uint32(), `${prefix}.unsubscribe`, {
                limits: opts.limits?.unsubscribe
              })

              break
            }
            case 3: {
              yield * WatchRequest.Presence.codec().stream(reader, reader.uint32(), `${prefix}.presence`, {
                limits: opts.limits?.presence
              })

              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }
      })
    }

    return _codec
  }

  export interface WatchRequestSubscribeIdFieldEvent {
    field: '$.subscribe.id'
    value: number
  }

  export interface WatchRequestSubscribeNsFieldEvent {
    field: '$.subscribe.ns'
    value: string
  }

  export interface WatchRequestSubscribeCookieFieldEvent {
    field: '$.subscribe.cookie'
    value: Uint8Array<ArrayBuffer>
  }

  export interface WatchRequestSubscribeBothFormsFieldEvent {
    field: '$.subscribe.bothForms'
    value: boolean
  }

  export interface WatchRequestSubscribeTokenFieldEvent {
    field: '$.subscribe.token'
    value: string
  }

  export interface WatchRequestUnsubscribeIdFieldEvent {
    field: '$.unsubscribe.id'
    value: number
  }

  export interface WatchRequestPresenceLiveFieldEvent {
    field: '$.presence.live'
    value: boolean
  }

  export function encode (obj: Partial<WatchRequest>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, WatchRequest.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WatchRequest>): WatchRequest {
    return decodeMessage(buf, WatchRequest.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WatchRequest>): Generator<WatchRequestSubscribeIdFieldEvent | WatchRequestSubscribeNsFieldEvent | WatchRequestSubscribeCookieFieldEvent | WatchRequestSubscribeBothFormsFieldEvent | WatchRequestSubscribeTokenFieldEvent | WatchRequestUnsubscribeIdFieldEvent | WatchRequestPresenceLiveFieldEvent> {
    return streamMessage(buf, WatchRequest.codec(), opts)
  }
}

export interface WatchEvent {
  update?: WatchEvent.Update
  registered?: WatchEvent.Registered
  ended?: WatchEvent.Ended
}

export namespace WatchEvent {
  export enum ResponseStatus {
    OK = 'OK',
    E_INVALID_NAMESPACE = 'E_INVALID_NAMESPACE',
    E_INVALID_SIGNED_PEER_RECORD = 'E_INVALID_SIGNED_PEER_RECORD',
    E_INVALID_TTL = 'E_INVALID_TTL',
    E_INVALID_COOKIE = 'E_INVALID_COOKIE',
    E_NOT_AUTHORIZED = 'E_NOT_AUTHORIZED',
    E_INTERNAL_ERROR = 'E_INTERNAL_ERROR',
    E_UNAVAILABLE = 'E_UNAVAILABLE'
  }

  enum __ResponseStatusValues {
    OK = 0,
    E_INVALID_NAMESPACE = 100,
    E_INVALID_SIGNED_PEER_RECORD = 101,
    E_INVALID_TTL = 102,
    E_INVALID_COOKIE = 103,
    E_NOT_AUTHORIZED = 200,
    E_INTERNAL_ERROR = 300,
    E_UNAVAILABLE = 400
  }

  export namespace ResponseStatus {
    export const codec = (): Codec<ResponseStatus> => {
      return enumeration<ResponseStatus>(__ResponseStatusValues)
    }
  }

  export interface Register {
    ns?: string
    signedPeerRecord?: Uint8Array<ArrayBuffer>
    ttl?: bigint
  }

  export namespace Register {
    let _codec: Codec<Register>

    export const codec = (): Codec<Register> => {
      if (_codec == null) {
        _codec = message<Register>((obj, w, opts = {}) => {
          if (opts.lengthDelimited !== false) {
            w.fork()
          }

          if (obj.ns != null) {
            w.uint32(10)
            w.string(obj.ns)
          }

          if (obj.signedPeerRecord != null) {
            w.uint32(18)
            w.bytes(obj.signedPeerRecord)
          }

          if (obj.ttl != null) {
            w.uint32(24)
            w.uint64(obj.ttl)
          }

          if (opts.lengthDelimited !== false) {
            w.ldelim()
          }
        }, (reader, length, opts = {}) => {
          const obj: any = {}

          const end = length == null ? reader.len : reader.pos + length

          while (reader.pos < end) {
            const tag = reader.uint32()

            switch (tag >>> 3) {
              case 1: {
                obj.ns = reader.string()
                break
              }
              case 2: {
                obj.signedPeerRecord = reader.bytes()
                break
              }
              case 3: {
                obj.ttl = reader.uint64()
                break
              }
              default: {
                reader.skipType(tag & 7)
                break
              }
            }
          }

          return obj
        }, function * (reader, length, prefix, opts = {}) {
          const end = length == null ? reader.len : reader.pos + length

          while (reader.pos < end) {
            const tag = reader.uint32()

            switch (tag >>> 3) {
              case 1: {
                yield {
                  field: `${prefix}.ns`,
                  value: reader.string()
                }
                break
              }
              case 2: {
                yield {
                  field: `${prefix}.signedPeerRecord`,
                  value: reader.bytes()
                }
                break
              }
              case 3: {
                yield {
                  field: `${prefix}.ttl`,
                  value: reader.uint64()
                }
                break
              }
              default: {
                reader.skipType(tag & 7)
                break
              }
            }
          }
        })
      }

      return _codec
    }

    export interface RegisterNsFieldEvent {
      field: '$.ns'
      value: string
    }

    export interface RegisterSignedPeerRecordFieldEvent {
      field: '$.signedPeerRecord'
      value: Uint8Array<ArrayBuffer>
    }

    export interface RegisterTtlFieldEvent {
      field: '$.ttl'
      value: bigint
    }

    export function encode (obj: Partial<Register>): Uint8Array<ArrayBuffer> {
      return encodeMessage(obj, Register.codec())
    }

    export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Register>): Register {
      return decodeMessage(buf, Register.codec(), opts)
    }

    export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Register>): Generator<RegisterNsFieldEvent | RegisterSignedPeerRecordFieldEvent | RegisterTtlFieldEvent> {
      return streamMessage(buf, Register.codec(), opts)
    }
  }

  export interface Update {
    id?: number
    status?: WatchEvent.ResponseStatus
    statusText?: string
    gone: Uint8Array<ArrayBuffer>[]
    resync?: boolean
    registrations: WatchEvent.Register[]
    cookie?: Uint8Array<ArrayBuffer>
    more?: boolean
  }

  export namespace Update {
    let _codec: Codec<Update>

    export const codec = (): Codec<Update> => {
      if (_codec == null) {
        _codec = message<Update>((obj, w, opts = {}) => {
          if (opts.lengthDelimited !== false) {
            w.fork()
          }

          if (obj.id != null) {
            w.uint32(8)
            w.uint32(obj.id)
          }

          if (obj.status != null) {
            w.uint32(16)
            WatchEvent.ResponseStatus.codec().encode(obj.status, w)
          }

          if (obj.statusText != null) {
            w.uint32(26)
            w.string(obj.statusText)
          }

          if (obj.gone != null && obj.gone.length > 0) {
            for (const value of obj.gone) {
              w.uint32(34)
              w.bytes(value)
            }
          }

          if (obj.resync != null) {
            w.uint32(40)
            w.bool(obj.resync)
          }

          if (obj.registrations != null && obj.registrations.length > 0) {
            for (const value of obj.registrations) {
              w.uint32(50)
              WatchEvent.Register.codec().encode(value, w)
            }
          }

          if (obj.cookie != null) {
            w.uint32(58)
            w.bytes(obj.cookie)
          }

          if (obj.more != null) {
            w.uint32(64)
            w.bool(obj.more)
          }

          if (opts.lengthDelimited !== false) {
            w.ldelim()
          }
        }, (reader, length, opts = {}) => {
          const obj: any = {
            gone: [],
            registrations: []
          }

          const end = length == null ? reader.len : reader.pos + length

          while (reader.pos < end) {
            const tag = reader.uint32()

            switch (tag >>> 3) {
              case 1: {
                obj.id = reader.uint32()
                break
              }
              case 2: {
                obj.status = WatchEvent.ResponseStatus.codec().decode(reader)
                break
              }
              case 3: {
                obj.statusText = reader.string()
                break
              }
              case 4: {
                if (opts.limits?.gone != null && obj.gone.length === opts.limits.gone) {
                  throw new MaxLengthError('Decode error - repeated field "gone" had too many elements')
                }

                obj.gone.push(reader.bytes())
                break
              }
              case 5: {
                obj.resync = reader.bool()
                break
              }
              case 6: {
                if (opts.limits?.registrations != null && obj.registrations.length === opts.limits.registrations) {
                  throw new MaxLengthError('Decode error - repeated field "registrations" had too many elements')
                }

                obj.registrations.push(WatchEvent.Register.codec().decode(reader, reader.uint32(), {
                  limits: opts.limits?.registrations$
                }))
                break
              }
              case 7: {
                obj.cookie = reader.bytes()
                break
              }
              case 8: {
                obj.more = reader.bool()
                break
              }
              default: {
                reader.skipType(tag & 7)
                break
              }
            }
          }

          return obj
        }, function * (reader, length, prefix, opts = {}) {
          const obj = {
            gone: 0,
            registrations: 0
          }

          const end = length == null ? reader.len : reader.pos + length

          while (reader.pos < end) {
            const tag = reader.uint32()

            switch (tag >>> 3) {
              case 1: {
                yield {
                  field: `${prefix}.id`,
                  value: reader.uint32()
                }
                break
              }
              case 2: {
                yield {
                  field: `${prefix}.status`,
                  value: WatchEvent.ResponseStatus.codec().decode(reader)
                }
                break
              }
              case 3: {
                yield {
                  field: `${prefix}.statusText`,
                  value: reader.string()
                }
                break
              }
              case 4: {
                if (opts.limits?.gone != null && obj.gone === opts.limits.gone) {
                  throw new MaxLengthError('Streaming decode error - repeated field "gone" had too many elements')
                }

                yield {
                  field: `${prefix}.gone[]`,
                  index: obj.gone,
                  value: reader.bytes()
                }

                obj.gone++

                break
              }
              case 5: {
                yield {
                  field: `${prefix}.resync`,
                  value: reader.bool()
                }
                break
              }
              case 6: {
                if (opts.limits?.registrations != null && obj.registrations === opts.limits.registrations) {
                  throw new MaxLengthError('Streaming decode error - repeated field "registrations" had too many elements')
                }

                for (const evt of WatchEvent.Register.codec().stream(reader, reader.uint32(), `${prefix}.registrations[]`, {
                  limits: opts.limits?.registrations$
                })) {
                  yield {
                    ...evt,
                    index: obj.registrations
                  }
                }

                obj.registrations++

                break
              }
              case 7: {
                yield {
                  field: `${prefix}.cookie`,
                  value: reader.bytes()
                }
                break
              }
              case 8: {
                yield {
                  field: `${prefix}.more`,
                  value: reader.bool()
                }
                break
              }
              default: {
                reader.skipType(tag & 7)
                break
              }
            }
          }
        })
      }

      return _codec
    }

    export interface UpdateIdFieldEvent {
      field: '$.id'
      value: number
    }

    export interface UpdateStatusFieldEvent {
      field: '$.status'
      value: WatchEvent.ResponseStatus
    }

    export interface UpdateStatusTextFieldEvent {
      field: '$.statusText'
      value: string
    }

    export interface UpdateGoneFieldEvent {
      field: '$.gone[]'
      index: number
      value: Uint8Array<ArrayBuffer>
    }

    export interface UpdateResyncFieldEvent {
      field: '$.resync'
      value: boolean
    }

    export interface UpdateRegistrationsNsFieldEvent {
      field: '$.registrations[].ns'
      value: string
      index: number
    }

    export interface UpdateRegistrationsSignedPeerRecordFieldEvent {
      field: '$.registrations[].signedPeerRecord'
      value: Uint8Array<ArrayBuffer>
      index: number
    }

    export interface UpdateRegistrationsTtlFieldEvent {
      field: '$.registrations[].ttl'
      value: bigint
      index: number
    }

    export interface UpdateCookieFieldEvent {
      field: '$.cookie'
      value: Uint8Array<ArrayBuffer>
    }

    export interface UpdateMoreFieldEvent {
      field: '$.more'
      value: boolean
    }

    export function encode (obj: Partial<Update>): Uint8Array<ArrayBuffer> {
      return encodeMessage(obj, Update.codec())
    }

    export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Update>): Update {
      return decodeMessage(buf, Update.codec(), opts)
    }

    export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Update>): Generator<UpdateIdFieldEvent | UpdateStatusFieldEvent | UpdateStatusTextFieldEvent | UpdateGoneFieldEvent | UpdateResyncFieldEvent | UpdateRegistrationsNsFieldEvent | UpdateRegistrationsSignedPeerRecordFieldEvent | UpdateRegistrationsTtlFieldEvent | UpdateCookieFieldEvent | UpdateMoreFieldEvent> {
      return streamMessage(buf, Update.codec(), opts)
    }
  }

  export interface Registered {
    namespaces: string[]
  }

  export namespace Registered {
    let _codec: Codec<Registered>

    export const codec = (): Codec<Registered> => {
      if (_codec == null) {
        _codec = message<Registered>((obj, w, opts = {}) => {
          if (opts.lengthDelimited !== false) {
            w.fork()
          }

          if (obj.namespaces != null && obj.namespaces.length > 0) {
            for (const value of obj.namespaces) {
              w.uint32(10)
              w.string(value)
            }
          }

          if (opts.lengthDelimited !== false) {
            w.ldelim()
          }
        }, (reader, length, opts = {}) => {
          const obj: any = {
            namespaces: []
          }

          const end = length == null ? reader.len : reader.pos + length

          while (reader.pos < end) {
            const tag = reader.uint32()

            switch (tag >>> 3) {
              case 1: {
                if (opts.limits?.namespaces != null && obj.namespaces.length === opts.limits.namespaces) {
                  throw new MaxLengthError('Decode error - repeated field "namespaces" had too many elements')
                }

                obj.namespaces.push(reader.string())
                break
              }
              default: {
                reader.skipType(tag & 7)
                break
              }
            }
          }

          return obj
        }, function * (reader, length, prefix, opts = {}) {
          const obj = {
            namespaces: 0
          }

          const end = length == null ? reader.len : reader.pos + length

          while (reader.pos < end) {
            const tag = reader.uint32()

            switch (tag >>> 3) {
              case 1: {
                if (opts.limits?.namespaces != null && obj.namespaces === opts.limits.namespaces) {
                  throw new MaxLengthError('Streaming decode error - repeated field "namespaces" had too many elements')
                }

                yield {
                  field: `${prefix}.namespaces[]`,
                  index: obj.namespaces,
                  value: reader.string()
                }

                obj.namespaces++

                break
              }
              default: {
                reader.skipType(tag & 7)
                break
              }
            }
          }
        })
      }

      return _codec
    }

    export interface RegisteredNamespacesFieldEvent {
      field: '$.namespaces[]'
      index: number
      value: string
    }

    export function encode (obj: Partial<Registered>): Uint8Array<ArrayBuffer> {
      return encodeMessage(obj, Registered.codec())
    }

    export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Registered>): Registered {
      return decodeMessage(buf, Registered.codec(), opts)
    }

    export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Registered>): Generator<RegisteredNamespacesFieldEvent> {
      return streamMessage(buf, Registered.codec(), opts)
    }
  }

  export interface Ended {
    ns?: string
    status?: WatchEvent.ResponseStatus
    statusText?: string
  }

  export namespace Ended {
    let _codec: Codec<Ended>

    export const codec = (): Codec<Ended> => {
      if (_codec == null) {
        _codec = message<Ended>((obj, w, opts = {}) => {
          if (opts.lengthDelimited !== false) {
            w.fork()
          }

          if (obj.ns != null) {
            w.uint32(10)
            w.string(obj.ns)
          }

          if (obj.status != null) {
            w.uint32(16)
            WatchEvent.ResponseStatus.codec().encode(obj.status, w)
          }

          if (obj.statusText != null) {
            w.uint32(26)
            w.string(obj.statusText)
          }

          if (opts.lengthDelimited !== false) {
            w.ldelim()
          }
        }, (reader, length, opts = {}) => {
          const obj: any = {}

          const end = length == null ? reader.len : reader.pos + length

          while (reader.pos < end) {
            const tag = reader.uint32()

            switch (tag >>> 3) {
              case 1: {
                obj.ns = reader.string()
                break
              }
              case 2: {
                obj.status = WatchEvent.ResponseStatus.codec().decode(reader)
                break
              }
              case 3: {
                obj.statusText = reader.string()
                break
              }
              default: {
                reader.skipType(tag & 7)
                break
              }
            }
          }

          return obj
        }, function * (reader, length, prefix, opts = {}) {
          const end = length == null ? reader.len : reader.pos + length

          while (reader.pos < end) {
            const tag = reader.uint32()

            switch (tag >>> 3) {
              case 1: {
                yield {
                  field: `${prefix}.ns`,
                  value: reader.string()
                }
                break
              }
              case 2: {
                yield {
                  field: `${prefix}.status`,
                  value: WatchEvent.ResponseStatus.codec().decode(reader)
                }
                break
              }
              case 3: {
                yield {
                  field: `${prefix}.statusText`,
                  value: reader.string()
                }
                break
              }
              default: {
                reader.skipType(tag & 7)
                break
              }
            }
          }
        })
      }

      return _codec
    }

    export interface EndedNsFieldEvent {
      field: '$.ns'
      value: string
    }

    export interface EndedStatusFieldEvent {
      field: '$.status'
      value: WatchEvent.ResponseStatus
    }

    export interface EndedStatusTextFieldEvent {
      field: '$.statusText'
      value: string
    }

    export function encode (obj: Partial<Ended>): Uint8Array<ArrayBuffer> {
      return encodeMessage(obj, Ended.codec())
    }

    export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Ended>): Ended {
      return decodeMessage(buf, Ended.codec(), opts)
    }

    export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Ended>): Generator<EndedNsFieldEvent | EndedStatusFieldEvent | EndedStatusTextFieldEvent> {
      return streamMessage(buf, Ended.codec(), opts)
    }
  }

  let _codec: Codec<WatchEvent>

  export const codec = (): Codec<WatchEvent> => {
    if (_codec == null) {
      _codec = message<WatchEvent>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if (obj.update != null) {
          w.uint32(10)
          WatchEvent.Update.codec().encode(obj.update, w)
        }

        if (obj.registered != null) {
          w.uint32(18)
          WatchEvent.Registered.codec().encode(obj.registered, w)
        }

        if (obj.ended != null) {
          w.uint32(26)
          WatchEvent.Ended.codec().encode(obj.ended, w)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {}

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.update = WatchEvent.Update.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.update
              })
              break
            }
            case 2: {
              obj.registered = WatchEvent.Registered.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.registered
              })
              break
            }
            case 3: {
              obj.ended = WatchEvent.Ended.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.ended
              })
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield * WatchEvent.Update.codec().stream(reader, reader.uint32(), `${prefix}.update`, {
                limits: opts.limits?.update
              })

              break
            }
            case 2: {
              yield * WatchEvent.Registered.codec().stream(reader, reader.uint32(), `${prefix}.registered`, {
                limits: opts.limits?.registered
              })

              break
            }
            case 3: {
              yield * WatchEvent.Ended.codec().stream(reader, reader.uint32(), `${prefix}.ended`, {
                limits: opts.limits?.ended
              })

              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }
      })
    }

    return _codec
  }

  export interface WatchEventUpdateIdFieldEvent {
    field: '$.update.id'
    value: number
  }

  export interface WatchEventUpdateStatusFieldEvent {
    field: '$.update.status'
    value: WatchEvent.ResponseStatus
  }

  export interface WatchEventUpdateStatusTextFieldEvent {
    field: '$.update.statusText'
    value: string
  }

  export interface WatchEventUpdateGoneFieldEvent {
    field: '$.update.gone[]'
    index: number
    value: Uint8Array<ArrayBuffer>
  }

  export interface WatchEventUpdateResyncFieldEvent {
    field: '$.update.resync'
    value: boolean
  }

  export interface WatchEventUpdateRegistrationsNsFieldEvent {
    field: '$.update.registrations[].ns'
    value: string
    index: number
  }

  export interface WatchEventUpdateRegistrationsSignedPeerRecordFieldEvent {
    field: '$.update.registrations[].signedPeerRecord'
    value: Uint8Array<ArrayBuffer>
    index: number
  }

  export interface WatchEventUpdateRegistrationsTtlFieldEvent {
    field: '$.update.registrations[].ttl'
    value: bigint
    index: number
  }

  export interface WatchEventUpdateCookieFieldEvent {
    field: '$.update.cookie'
    value: Uint8Array<ArrayBuffer>
  }

  export interface WatchEventUpdateMoreFieldEvent {
    field: '$.update.more'
    value: boolean
  }

  export interface WatchEventRegisteredNamespacesFieldEvent {
    field: '$.registered.namespaces[]'
    index: number
    value: string
  }

  export interface WatchEventEndedNsFieldEvent {
    field: '$.ended.ns'
    value: string
  }

  export interface WatchEventEndedStatusFieldEvent {
    field: '$.ended.status'
    value: WatchEvent.ResponseStatus
  }

  export interface WatchEventEndedStatusTextFieldEvent {
    field: '$.ended.statusText'
    value: string
  }

  export function encode (obj: Partial<WatchEvent>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, WatchEvent.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WatchEvent>): WatchEvent {
    return decodeMessage(buf, WatchEvent.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WatchEvent>): Generator<WatchEventUpdateIdFieldEvent | WatchEventUpdateStatusFieldEvent | WatchEventUpdateStatusTextFieldEvent | WatchEventUpdateGoneFieldEvent | WatchEventUpdateResyncFieldEvent | WatchEventUpdateRegistrationsNsFieldEvent | WatchEventUpdateRegistrationsSignedPeerRecordFieldEvent | WatchEventUpdateRegistrationsTtlFieldEvent | WatchEventUpdateCookieFieldEvent | WatchEventUpdateMoreFieldEvent | WatchEventRegisteredNamespacesFieldEvent | WatchEventEndedNsFieldEvent | WatchEventEndedStatusFieldEvent | WatchEventEndedStatusTextFieldEvent> {
    return streamMessage(buf, WatchEvent.codec(), opts)
  }
}
