/** Small servers that say who they are: the demo's backends, and the tests'. */
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http'
import * as http2 from 'node:http2'
import * as net from 'node:net'
import * as tls from 'node:tls'
import { WebSocketServer } from 'ws'

export interface Backend {
  readonly name: string
  readonly address: string
  readonly port: number
  close(): Promise<void>
}

/** Answers every request with JSON: who answered, and the request as it arrived. */
export async function startHttpBackend(
  name: string,
  address = '127.0.0.1',
  port = 0,
): Promise<Backend> {
  const server = createHttpServer((request, response) => describeRequest(name, request, response))
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', (socket) => {
    // A client may send anything; without a listener its frame error would end the process.
    socket.on('error', () => socket.terminate())
    socket.send(`${name} says hello`)
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
  })
  return listen(name, server, address, port)
}

/** The same over HTTP/2 with prior knowledge (appProtocol kubernetes.io/h2c). */
export async function startH2cBackend(name: string, address = '127.0.0.1'): Promise<Backend> {
  const server = http2.createServer((request, response) => {
    response.setHeader('content-type', 'application/json')
    response.end(
      JSON.stringify({
        backend: name,
        method: request.method,
        path: request.url,
        host: request.authority,
        httpVersion: request.httpVersion,
      }),
    )
  })
  return listen(name, server, address)
}

/** Speaks first, then echoes lines: for plain TCP and for TLS terminated into TCP. */
export async function startTcpBackend(
  name: string,
  address = '127.0.0.1',
  port = 0,
): Promise<Backend> {
  return listen(
    name,
    net.createServer({ allowHalfOpen: true }, (socket) => echo(name, socket)),
    address,
    port,
  )
}

export interface TlsMaterial {
  readonly certPem: string
  readonly keyPem: string
}

/** HTTP/1.1 and HTTP/2 behind its own certificate: what passthrough leads to. */
export async function startTlsBackend(
  name: string,
  material: TlsMaterial,
  address = '127.0.0.1',
  port = 0,
): Promise<Backend> {
  const server = http2.createSecureServer(
    { allowHTTP1: true, cert: material.certPem, key: material.keyPem },
    (request, response) => {
      response.setHeader('content-type', 'application/json')
      response.end(
        `${JSON.stringify({ backend: name, path: request.url, sni: (request.socket as tls.TLSSocket).servername })}\n`,
      )
    },
  )
  return listen(name, server, address, port)
}

/** A line echo behind its own certificate. */
export async function startTlsEchoBackend(
  name: string,
  material: TlsMaterial,
  address = '127.0.0.1',
): Promise<Backend> {
  const server = tls.createServer(
    { allowHalfOpen: true, cert: material.certPem, key: material.keyPem },
    (socket) => echo(name, socket),
  )
  return listen(name, server, address)
}

function describeRequest(name: string, request: IncomingMessage, response: ServerResponse): void {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    response.setHeader('content-type', 'application/json')
    response.end(
      `${JSON.stringify(
        {
          backend: name,
          method: request.method,
          path: request.url,
          host: request.headers.host,
          headers: request.headers,
          body: Buffer.concat(chunks).toString(),
        },
        null,
        2,
      )}\n`,
    )
  })
}

function echo(name: string, socket: net.Socket): void {
  socket.on('error', () => socket.destroy())
  socket.write(`${name} says hello\n`)
  socket.pipe(socket)
}

async function listen(
  name: string,
  server: net.Server | http2.Http2Server | http2.Http2SecureServer,
  address: string,
  wanted = 0,
): Promise<Backend> {
  const sockets = new Set<net.Socket>()
  server.on('connection', (socket: net.Socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(wanted, address, () => resolve())
  })
  const { port } = server.address() as net.AddressInfo
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve())
      for (const socket of sockets) socket.destroy()
    })
  return { name, address, port, close }
}
