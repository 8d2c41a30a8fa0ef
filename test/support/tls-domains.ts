/**
 * What the TLS tests share: certificates as parts, a loopback listener that hands each connection
 * to a termination the way the data plane does, and clients that report what they saw.
 */
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls'
import type { Digest } from '../../src/base/brand.ts'
import { digestOf, digestOfText } from '../../src/base/digest.ts'
import type { TlsHandshake, TlsTermination } from '../../src/data/tls/contract.ts'
import type { Reason } from '../../src/model/outcome.ts'
import type { Part, TlsTerminateAction } from '../../src/model/snapshot.ts'
import type { CertificatePart, ClientAuth } from '../../src/model/tls.ts'
import type { TlsFacts } from '../../src/observe/access-log.ts'
import type { IssuedCertificate } from '../../src/wire/issue-certificate.ts'
import { testCertificate } from './certificates.ts'

/** Parts and keys by digest, as a worker holds them. */
export class Material {
  readonly #parts = new Map<Digest, Part>()
  readonly #keys = new Map<Digest, string>()

  async issue(names: readonly string[], keyType: 'ec' | 'rsa' = 'ec'): Promise<Digest> {
    return this.add(await testCertificate(names, { keyType }), keyType)
  }

  add({ certPem, keyPem }: IssuedCertificate, keyType: 'ec' | 'rsa' = 'ec'): Digest {
    const leaf = new X509Certificate(certPem)
    const keyId = digestOfText(leaf.publicKey.export({ type: 'spki', format: 'der' }))
    const part: CertificatePart = {
      kind: 'certificate',
      keyId,
      chainPem: certPem,
      keyType,
      dnsNames: (leaf.subjectAltName ?? '').split(', ').map((name) => name.replace('DNS:', '')),
      notBefore: leaf.validFromDate.getTime(),
      notAfter: leaf.validToDate.getTime(),
      fingerprint: leaf.fingerprint256.replaceAll(':', '').toLowerCase(),
      source: 'test/secret',
    }
    const digest = digestOf(part)
    this.#parts.set(digest, part)
    this.#keys.set(keyId, keyPem)
    return digest
  }

  readonly part = (digest: Digest): Part => {
    const part = this.#parts.get(digest)
    if (part === undefined) throw new Error(`no part ${digest}`)
    return part
  }

  readonly key = (keyId: Digest): string => this.#keys.get(keyId) ?? ''
}

export function terminate(
  domain: string,
  certificates: readonly Digest[],
  options: { alpn?: readonly string[]; clientAuth?: ClientAuth } = {},
): TlsTerminateAction {
  return {
    kind: 'tls-terminate',
    domain: { id: digestOf(domain), clientAuth: options.clientAuth ?? { mode: 'none' } },
    certificates,
    alpn: options.alpn ?? [],
    then: { kind: 'http' },
  }
}

export interface Seen {
  readonly facts: TlsFacts | undefined
  readonly failure: { readonly reason: Reason; readonly detail: string } | undefined
}

/** Accepts on loopback and hands over; `sni` stands for the peek. Echoes what a client sends. */
export class Front {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #waiting: ((seen: Seen) => void)[] = []
  readonly #seen: Seen[] = []
  termination: TlsTermination
  sni: string | undefined
  onSocket: (socket: Socket) => void = () => {}

  constructor(termination: TlsTermination, sni?: string) {
    this.termination = termination
    this.sni = sni
    this.#server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
      this.onSocket(socket)
      this.termination.accept(socket, Buffer.alloc(0), this.#handshake())
    })
  }

  /** Closes with the test. */
  static async open(t: TestContext, termination: TlsTermination, sni?: string): Promise<Front> {
    const front = new Front(termination, sni)
    front.#server.listen(0, '127.0.0.1')
    await once(front.#server, 'listening')
    t.after(() => front.#close())
    return front
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get openSockets(): number {
    return this.#sockets.size
  }

  /** How the next handshake ended, in order. */
  next(): Promise<Seen> {
    const seen = this.#seen.shift()
    if (seen !== undefined) return Promise.resolve(seen)
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  async #close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #handshake(): TlsHandshake {
    return {
      sni: this.sni,
      remainingMs: () => 10_000,
      onSecure: (socket, facts) => {
        socket.pipe(socket)
        this.#report({ facts, failure: undefined })
      },
      onError: (reason, detail) => this.#report({ facts: undefined, failure: { reason, detail } }),
    }
  }

  #report(seen: Seen): void {
    const waiting = this.#waiting.shift()
    if (waiting === undefined) this.#seen.push(seen)
    else waiting(seen)
  }
}

export interface Visit {
  readonly resumed: boolean
  readonly leaf: X509Certificate | undefined
  readonly cipher: string
  readonly alpn: string | false | null
  /** The newest ticket. */
  readonly session: Buffer | undefined
}

/** Connects, has one line echoed, and leaves. */
export async function visit(port: number, options: ConnectionOptions = {}): Promise<Visit> {
  const socket = open(port, options)
  let session: Buffer | undefined
  socket.on('session', (latest) => {
    session = latest
  })
  socket.write('hello')
  await new Promise((resolve, reject) => {
    socket.once('data', resolve)
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('closed without a byte')))
  })
  const seen = {
    resumed: socket.isSessionReused(),
    leaf: socket.getPeerX509Certificate(),
    cipher: socket.getCipher().standardName,
    alpn: socket.alpnProtocol,
    session,
  }
  socket.destroy()
  return seen
}

/** A client that verifies nothing: which certificate it got is what the tests look at. */
export function open(port: number, options: ConnectionOptions = {}): TLSSocket {
  return connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options })
}
