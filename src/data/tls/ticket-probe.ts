/**
 * Does the ticket key callback of this Node do what ticket-renewal.ts needs? Answered once at start
 * by real TLS 1.3 handshakes in memory: a full one, two that resume with the ticket of the one
 * before, and a full one because the keys have changed. Bounded in time; any other course of events
 * means no.
 */
import { duplexPair } from 'node:stream'
import { connect, createServer, type Server } from 'node:tls'
import type { Digest } from '../../base/brand.ts'
import { inTime } from '../in-time.ts'
import { probeCertificate } from './probe-certificate.ts'
import { DomainTicketKeys, TicketKeyRing } from './ticket-keys.ts'
import { useTicketPolicy } from './ticket-renewal.ts'

/** Together 2 s. */
const LOOK_MS = 200

export async function canRenewTickets(): Promise<boolean> {
  try {
    return await inTime(probe(), LOOK_MS)
  } catch {
    return false
  }
}

async function probe(): Promise<boolean> {
  const ring = new TicketKeyRing()
  const server = probeServer(ring)
  const first = await handshake(server, undefined)
  const second = await handshake(server, first.session)
  const third = await handshake(server, second.session)
  ring.setRoots([{ id: '00000000', secret: '' }])
  const fourth = await handshake(server, third.session)
  return !first.resumed && second.resumed && third.resumed && !fourth.resumed
}

function probeServer(ring: TicketKeyRing): Server {
  const keys = new DomainTicketKeys(ring, 'probe' as Digest)
  const server = createServer({ ...probeCertificate(), minVersion: 'TLSv1.3' })
  useTicketPolicy(server, { keys, renew: true })
  // The tickets precede the byte; without one the client would not read them.
  server.on('secureConnection', (socket) => socket.on('error', () => {}).end('.'))
  server.on('tlsClientError', (_error, socket) => socket.destroy())
  return server
}

interface ProbeResult {
  readonly resumed: boolean
  readonly session: Buffer | undefined
}

function handshake(server: Server, session: Buffer | undefined): Promise<ProbeResult> {
  const [near, far] = duplexPair()
  return new Promise<ProbeResult>((resolve, reject) => {
    let ticket: Buffer | undefined
    const client = connect({
      socket: near,
      // Both ends are in this process and nothing but the probe itself passes between them.
      rejectUnauthorized: false,
      ...(session === undefined ? {} : { session }),
    })
    client.on('session', (latest) => {
      ticket = latest
    })
    client.on('error', reject)
    client.resume()
    client.once('end', () => resolve({ resumed: client.isSessionReused(), session: ticket }))
    server.emit('connection', far)
  }).finally(() => {
    near.destroy()
    far.destroy()
  })
}
