import { pEvent } from 'p-event'
import { beforeEach, describe, expect, it } from 'vitest'
import { mendInitChannel } from '../../../src/browser/patches/init-channel.ts'

class Channel extends EventTarget {
  state: RTCDataChannelState = 'connecting'

  get readyState (): RTCDataChannelState {
    return this.state
  }

  close (): void {
    this.state = 'closing'
    setTimeout(() => { this.become('closed', 'close') })
  }

  become (state: RTCDataChannelState, event: string): void {
    this.state = state
    this.dispatchEvent(new Event(event))
  }
}

/** As the dialler does it. */
async function openAndClose (channel: Channel): Promise<void> {
  if (channel.readyState !== 'open') {
    await pEvent(channel, 'open')
  }

  channel.close()
  await pEvent(channel, 'close')
}

describe('the first channel of a WebRTC connection', () => {
  let connection: { createDataChannel: (label: string) => Channel }

  beforeEach(() => {
    class Connections {
      createDataChannel (): Channel {
        return new Channel()
      }
    }
    mendInitChannel(Connections as any)
    mendInitChannel(Connections as any)
    connection = new Connections()
  })

  it.each([
    ['is still to be opened', (channel: Channel) => { setTimeout(() => { channel.become('open', 'open') }) }],
    ['is open', (channel: Channel) => { channel.become('open', 'open') }],
    ['is being closed by the other side', (channel: Channel) => {
      channel.become('closing', 'closing')
      setTimeout(() => { channel.become('closed', 'close') })
    }],
    ['was closed by the other side', (channel: Channel) => { channel.become('closed', 'close') }]
  ])('keeps nobody waiting where it %s', async (_, happen) => {
    const channel = connection.createDataChannel('init')
    happen(channel)
    await openAndClose(channel)

    expect(channel.state).toBe('closed')
  })

  it('is the only one that is mended', () => {
    const channel = connection.createDataChannel('')
    channel.become('closed', 'close')

    expect(channel.readyState).toBe('closed')
  })

  it('does not matter where there is no WebRTC', () => {
    expect(() => { mendInitChannel(undefined) }).not.toThrow()
  })
})
