/** Origins for tests of the HTTP layer: Node servers on a free port of the loopback. */
import { once } from 'node:events'
import http from 'node:http'
import http2 from 'node:http2'
import net from 'node:net'

export interface Origin extends Disposable {
  readonly port: number
}

export async function startOrigin(
  listener: http.RequestListener,
): Promise<Origin & { server: http.Server }> {
  const server = http.createServer({ keepAliveTimeout: 30_000 }, listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    server,
    port: portOf(server),
    [Symbol.dispose]: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}

/** h2c by prior knowledge. */
export async function startH2Origin(
  onStream: (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => void,
): Promise<Origin & { sessions: Set<http2.ServerHttp2Session> }> {
  const server = http2.createServer()
  const sessions = new Set<http2.ServerHttp2Session>()
  server.on('session', (session) => sessions.add(session))
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {})
    onStream(stream, headers)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: portOf(server),
    sessions,
    [Symbol.dispose]: () => {
      for (const session of sessions) session.destroy()
      server.close()
    },
  }
}

/** Bytes in, bytes out, by hand. */
export async function startTcpOrigin(
  onSocket: (socket: net.Socket) => void,
): Promise<Origin & { connections(): number }> {
  const sockets: net.Socket[] = []
  const server = net.createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => {})
    onSocket(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: portOf(server),
    connections: () => sockets.length,
    [Symbol.dispose]: () => {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}

/** A port on which nobody listens. */
export async function closedPort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const port = portOf(server)
  server.close()
  await once(server, 'close')
  return port
}

function portOf(server: net.Server | http2.Http2Server): number {
  return (server.address() as net.AddressInfo).port
}
