/**
 * Who dials with @libp2p/webrtc (6.0.33) opens a data channel called `init`, and waits until it is open and then until it
 * is closed. The other side closes it as soon as it sees it. Whoever is busy meanwhile, with candidates or with another
 * dial, comes to wait for events that have been: the dial then takes until its timeout of six seconds, and the other
 * side holds a connection for open that is none (docs/upstream/js-libp2p-webrtc.md).
 *
 * Here the channel looks open where it has been, and closing it is followed by its event. To be deleted when the dialler
 * looks whether the channel is closed.
 */
export function mendInitChannel (connections: Pick<typeof RTCPeerConnection, 'prototype'> | undefined): void {
  if (connections == null || mended.has(connections.prototype)) {
    return
  }

  const { prototype } = connections
  const { createDataChannel } = prototype
  mended.add(prototype)
  prototype.createDataChannel = function (label, options) {
    const channel = createDataChannel.call(this, label, options)

    return label === 'init' ? mend(channel) : channel
  }
}

const mended = new WeakSet<object>()

function mend (channel: RTCDataChannel): RTCDataChannel {
  const state = (): RTCDataChannelState => Reflect.get(Object.getPrototypeOf(channel), 'readyState', channel)

  return Object.defineProperties(channel, {
    readyState: {
      get: () => state() === 'connecting' ? 'connecting' : 'open'
    },
    close: {
      value: () => {
        if (state() === 'closed') {
          queueMicrotask(() => { channel.dispatchEvent(new Event('close')) })
        } else {
          Object.getPrototypeOf(channel).close.call(channel)
        }
      }
    }
  })
}
