/**
 * Has TLS of this Node let go of a write's bytes when `write` returns? It encrypts them there and
 * keeps no reference (24.21), which is documented nowhere. Answered once by a handshake in memory:
 * bytes that are overwritten right after their write must arrive as they were.
 */
import { duplexPair } from 'node:stream'
import { connect, createServer } from 'node:tls'
import { probeCertificate } from './probe-certificate.ts'

const PROBE_MS = 2_000
/** Several records. */
const PROBE_BYTES = 100_000

let answer = false

/** As the probe found; before it is over: no. */
export function writesAtOnce(): boolean {
  return answer
}

/** Bounded in time; any other course of events means no. */
export async function probeWrites(): Promise<void> {
  const [near, far] = duplexPair()
  const deadline = AbortSignal.timeout(PROBE_MS)
  try {
    answer = await new Promise<boolean>((resolve, reject) => {
      deadline.addEventListener('abort', () => reject(deadline.reason), { once: true })
      const server = createServer({ ...probeCertificate(), minVersion: 'TLSv1.3' })
      server.on('tlsClientError', reject)
      server.on('secureConnection', (socket) => {
        const bytes = Buffer.alloc(PROBE_BYTES, 'a')
        socket.on('error', reject).write(bytes)
        bytes.fill('b')
        socket.end()
      })
      // Both ends are in this process and nothing but the probe itself passes between them.
      const client = connect({ socket: near, rejectUnauthorized: false })
      const chunks: Buffer[] = []
      client.on('error', reject)
      client.on('data', (chunk) => chunks.push(chunk))
      client.once('end', () =>
        resolve(Buffer.concat(chunks).equals(Buffer.alloc(PROBE_BYTES, 'a'))),
      )
      server.emit('connection', far)
    })
  } catch {
    answer = false
  } finally {
    near.destroy()
    far.destroy()
  }
}
