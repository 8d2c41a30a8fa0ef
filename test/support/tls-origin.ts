/** Origins behind TLS that say what they saw of their client. */
import { once } from 'node:events'
import http2 from 'node:http2'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import tls from 'node:tls'
import { WebSocketServer } from 'ws'

export interface OriginOptions {
  readonly cert: string
  readonly key: string
  /** Client certificates of this authority are required. */
  readonly clientCa?: string
  /** A free port of 127.0.0.1 by default. */
  readonly address?: string
  readonly port?: number
}

export interface TlsOrigin {
  readonly address: string
  readonly port: number
  /** Handshakes that came to their end. */
  readonly handshakes: () => number
  setCertificate(certificate: { readonly cert: string; readonly key: string }): void
  close(): void
}

function serverOptions({ cert, key, clientCa }: OriginOptions): tls.TlsOptions {
  return clientCa === undefined ? { cert, key } : { cert, key, ca: clientCa, requestCert: true }
}

/** Answers with the SNI, whether the session was resumed, and the client's name. */
export async function startHttpsOrigin(options: OriginOptions): Promise<TlsOrigin> {
  const server = https.createServer(serverOptions(options), (request, response) => {
    response.end(JSON.stringify(seen(request.socket as tls.TLSSocket)))
  })
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(data)))
  return listen(server, options)
}

/** HTTP/2 only. */
export async function startH2TlsOrigin(options: OriginOptions): Promise<TlsOrigin> {
  const server = http2.createSecureServer(serverOptions(options))
  server.on('stream', (stream, headers) => {
    stream.respond({ ':status': 200 })
    const socket = stream.session?.socket as tls.TLSSocket
    stream.end(JSON.stringify({ ...seen(socket), scheme: headers[':scheme'] }))
  })
  return listen(server, options)
}

/** Speaks first, then echoes. */
export async function startTlsEchoOrigin(options: OriginOptions): Promise<TlsOrigin> {
  const server = tls.createServer(serverOptions(options), (socket) => {
    socket.on('error', () => undefined)
    socket.write('hello\n')
    socket.pipe(socket)
  })
  return listen(server, options)
}

function seen(socket: tls.TLSSocket) {
  return {
    sni: socket.servername,
    resumed: socket.isSessionReused(),
    client: socket.getPeerX509Certificate()?.subject,
  }
}

async function listen(
  server: tls.Server | http2.Http2SecureServer,
  { address = '127.0.0.1', port = 0 }: OriginOptions,
): Promise<TlsOrigin> {
  let handshakes = 0
  const sockets = new Set<tls.TLSSocket>()
  server.on('secureConnection', (socket: tls.TLSSocket) => {
    handshakes += 1
    sockets.add(socket)
    socket.on('error', () => undefined)
  })
  server.on('tlsClientError', () => undefined)
  server.listen(port, address)
  await once(server, 'listening')
  return {
    address,
    port: (server.address() as AddressInfo).port,
    handshakes: () => handshakes,
    setCertificate: (certificate) => server.setSecureContext(certificate),
    close: () => {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}
