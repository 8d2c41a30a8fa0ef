/** ClientHello messages by hand, so that tests can lie in any field, and real ones of this Node. */
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { type ConnectionOptions, connect } from 'node:tls'
import { ClientHelloReader, type HelloVerdict } from '../../src/wire/client-hello.ts'

export type Extension = readonly [type: number, data: Buffer]

export interface HelloParts {
  readonly extensions?: readonly Extension[]
  readonly legacyVersion?: number
  readonly sessionId?: Buffer
  readonly cipherSuites?: Buffer
  readonly compression?: Buffer
  /** No extensions block at all, as SSLv3-era clients send. */
  readonly bare?: boolean
}

export function vector(lengthBytes: 1 | 2 | 3, data: Buffer): Buffer {
  const length = Buffer.alloc(lengthBytes)
  length.writeUIntBE(data.length, 0, lengthBytes)
  return Buffer.concat([length, data])
}

export function uint16(...values: readonly number[]): Buffer {
  return Buffer.from(values.flatMap((value) => [value >> 8, value & 0xff]))
}

export function serverName(name: string, type = 0): Extension {
  return [0, vector(2, hostEntry(name, type))]
}

export function hostEntry(name: string, type = 0): Buffer {
  return Buffer.concat([Buffer.from([type]), vector(2, Buffer.from(name, 'latin1'))])
}

export function alpn(...names: readonly string[]): Extension {
  return [16, vector(2, Buffer.concat(names.map((name) => vector(1, Buffer.from(name)))))]
}

export function supportedVersions(...versions: readonly number[]): Extension {
  return [43, vector(1, uint16(...versions))]
}

/** The handshake message, without records. */
export function helloMessage(parts: HelloParts = {}): Buffer {
  const extensions = (parts.extensions ?? []).map(([type, data]) =>
    Buffer.concat([uint16(type), vector(2, data)]),
  )
  const body = Buffer.concat([
    uint16(parts.legacyVersion ?? 0x0303),
    Buffer.alloc(32, 7),
    vector(1, parts.sessionId ?? Buffer.alloc(32, 9)),
    vector(2, parts.cipherSuites ?? uint16(0x1301, 0xc02f)),
    vector(1, parts.compression ?? Buffer.from([0])),
    parts.bare === true ? Buffer.alloc(0) : vector(2, Buffer.concat(extensions)),
  ])
  return Buffer.concat([Buffer.from([1]), vector(3, body)])
}

export function record(payload: Buffer, type = 22, version = 0x0301): Buffer {
  return Buffer.concat([Buffer.from([type]), uint16(version), vector(2, payload)])
}

/** Records of at most `size` payload bytes each. */
export function records(message: Buffer, size = 16_384): Buffer {
  const parts: Buffer[] = []
  for (let at = 0; at < message.length; at += size) {
    parts.push(record(message.subarray(at, at + size)))
  }
  return Buffer.concat(parts)
}

/** What this Node's own client sends first. */
export async function realHello(options: ConnectionOptions): Promise<Buffer> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const client = connect({ port, host: '127.0.0.1', ...options })
  client.on('error', () => undefined)
  const [socket] = await once(server, 'connection')
  const chunks: Buffer[] = []
  let verdict: HelloVerdict = { kind: 'more' }
  while (verdict.kind === 'more') {
    const [chunk] = (await once(socket, 'data')) as [Buffer]
    chunks.push(chunk)
    verdict = new ClientHelloReader(65_536).read(Buffer.concat(chunks))
  }
  client.destroy()
  socket.destroy()
  server.close()
  return Buffer.concat(chunks)
}

/** Feeds a fresh reader with prefixes that end at `ends`, the last one being the whole. */
export function readInSteps(bytes: Buffer, ends: readonly number[], limit = 65_536): HelloVerdict {
  const reader = new ClientHelloReader(limit)
  for (const end of [...ends, bytes.length]) {
    const verdict = reader.read(bytes.subarray(0, end))
    if (verdict.kind !== 'more') return verdict
  }
  return { kind: 'more' }
}

export function readWhole(bytes: Buffer, limit = 65_536): HelloVerdict {
  return readInSteps(bytes, [], limit)
}
