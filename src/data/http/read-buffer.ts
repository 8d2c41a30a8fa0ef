/**
 * Where sockets of upstreams without TLS read into, all of a thread: one reusable buffer instead of a
 * new one for each read. Its bytes are lent for as long as the callback runs that tells of them.
 */

/** Larger than most bodies: what came at once goes on in one write. */
export const READ_BUFFER = Buffer.allocUnsafeSlow(131_072)

/** These bytes for longer than the callback that brought them: a copy of what is lent. */
export function kept(bytes: Uint8Array): Uint8Array {
  return bytes.buffer === READ_BUFFER.buffer ? Buffer.from(bytes) : bytes
}
