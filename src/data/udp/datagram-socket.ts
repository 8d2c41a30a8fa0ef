/** UDP sockets for literal addresses: nothing is ever looked up, so binding and connecting are at once. */
import dgram, { type Socket } from 'node:dgram'

/** Bytes that may wait in one socket's send queue; what comes on top is dropped, as networks do. */
export const SEND_QUEUE_BYTES = 256 * 1024

/** IPv6 sockets take no IPv4: each family has sockets of its own. */
export function createSocket(isIpv6: boolean, recvBufferSize?: number): Socket {
  return dgram.createSocket({
    type: isIpv6 ? 'udp6' : 'udp4',
    ...(isIpv6 ? { ipv6Only: true } : {}),
    ...(recvBufferSize === undefined ? {} : { recvBufferSize }),
    lookup: (address, _, callback) => callback(null, address, isIpv6 ? 6 : 4),
  })
}
