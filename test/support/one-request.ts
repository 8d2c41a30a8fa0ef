/** One request over a connection of its own, read to whatever end it has. */
import { once } from 'node:events'
import * as http from 'node:http'
import * as http2 from 'node:http2'
import * as net from 'node:net'
import * as tls from 'node:tls'
import type { Drawn } from './random-traffic.ts'

export interface Sent {
  /** `127.0.0.1:40000`, as the access log names the client. */
  readonly peer: string
  /** Of the certificate that the server showed. */
  readonly fingerprint: string | undefined
  readonly status: number | undefined
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, unknown>>
}

interface Place {
  readonly address: string
  readonly port: number
}

/** `id` goes as User-Agent. Failures are answers too: whatever came is returned. */
export async function sendOne(drawn: Drawn, place: Place, id: string): Promise<Sent> {
  const plain = net.connect(place.port, place.address)
  plain.on('error', () => {})
  await once(plain, 'connect')
  const peer = `${plain.localAddress}:${plain.localPort}`
  const closed = new Promise((resolve) => plain.once('close', resolve))
  const socket =
    drawn.kind === 'http' || drawn.kind === 'grpc' ? plain : await secured(plain, drawn)
  const answer = socket === undefined ? NOTHING : await exchange(socket, drawn, id)
  const fingerprint = socket instanceof tls.TLSSocket ? fingerprintOf(socket) : undefined
  plain.destroy()
  await closed
  return { peer, fingerprint, ...answer }
}

type Answer = Pick<Sent, 'status' | 'headers'>
const NOTHING: Answer = { status: undefined, headers: {} }

/** undefined: the handshake failed. */
async function secured(
  plain: net.Socket,
  { kind, host }: Drawn,
): Promise<tls.TLSSocket | undefined> {
  const socket = tls.connect({
    socket: plain,
    servername: host,
    rejectUnauthorized: false,
    ...(kind === 'tls' ? {} : { ALPNProtocols: [kind === 'grpcs' ? 'h2' : 'http/1.1'] }),
  })
  socket.on('error', () => plain.destroy())
  return await new Promise((resolve) => {
    socket.once('secureConnect', () => resolve(socket))
    plain.once('close', () => resolve(undefined))
  })
}

async function exchange(socket: net.Socket, drawn: Drawn, id: string): Promise<Answer> {
  switch (drawn.kind) {
    case 'tls':
      return await anyAnswer(socket)
    case 'http':
    case 'https':
      return await overHttp1(socket, drawn, id)
    case 'grpc':
    case 'grpcs':
      return await overHttp2(socket, drawn, id)
  }
}

/** A client that left at once would not be routed: whoever is behind TLS has a word first. */
function anyAnswer(socket: net.Socket): Promise<Answer> {
  return new Promise((resolve) => {
    socket.once('data', () => resolve(NOTHING))
    socket.once('close', () => resolve(NOTHING))
    socket.write('GET / HTTP/1.0\r\n\r\n')
  })
}

function overHttp1(socket: net.Socket, drawn: Drawn, id: string): Promise<Answer> {
  const { authority, method, path, fields } = drawn
  const request = http.request({
    createConnection: () => socket,
    method,
    path,
    headers: { ...fields, host: authority, 'user-agent': id },
  })
  return new Promise((resolve) => {
    request.on('error', () => resolve(NOTHING))
    request.on('response', (response) => {
      const answer = { status: response.statusCode, headers: response.headers }
      response.resume()
      response.on('error', () => {})
      response.on('close', () => resolve(answer))
    })
    request.end()
  })
}

function overHttp2(socket: net.Socket, drawn: Drawn, id: string): Promise<Answer> {
  const { authority, method, path, fields } = drawn
  const session = http2.connect(`http://${authority}`, { createConnection: () => socket })
  return new Promise((resolve) => {
    let answer = NOTHING
    session.on('error', () => resolve(answer))
    session.on('close', () => resolve(answer))
    const stream = session.request({
      ...fields,
      ':authority': authority,
      ':scheme': drawn.kind === 'grpcs' ? 'https' : 'http',
      ':method': method,
      ':path': path,
      'user-agent': id,
    })
    stream.on('error', () => {})
    stream.on('response', (headers) => {
      answer = { status: headers[':status'], headers }
    })
    stream.on('close', () => session.destroy())
    stream.resume()
    stream.end()
  })
}

function fingerprintOf(socket: tls.TLSSocket): string | undefined {
  return socket.getPeerX509Certificate()?.fingerprint256
}
