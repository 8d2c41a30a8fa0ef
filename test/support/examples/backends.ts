/** What the texts of the examples expect behind gwproxy, at the ports that they name. */
import http from 'node:http'
import {
  startHttpBackend,
  startTcpBackend,
  startTlsBackend,
  type TlsMaterial,
} from '../../../demo/backends.ts'
import type { Closing, Folder } from './example.ts'

/** HTTP servers that say their name and what they were asked, by port. */
export async function webServers(
  { backend }: Folder,
  names: Readonly<Record<number, string>>,
): Promise<Closing[]> {
  const entries = Object.entries(names)
  return Promise.all(entries.map(([port, name]) => startHttpBackend(name, backend, Number(port))))
}

/** The name of the web server that gave this answer. */
export function serverOf(answer: string | undefined): string | undefined {
  return /"backend": "([a-z-]+)"/.exec(answer ?? '')?.[1]
}

/** TCP servers that speak first and echo, by port. */
export async function echoServers(
  { backend }: Folder,
  names: Readonly<Record<number, string>>,
): Promise<Closing[]> {
  const entries = Object.entries(names)
  return Promise.all(entries.map(([port, name]) => startTcpBackend(name, backend, Number(port))))
}

/** A web server with the certificate in this directory of the folder. */
export async function tlsServer(
  folder: Folder,
  name: string,
  certificate: string,
  port: number,
  address = folder.backend,
): Promise<Closing> {
  return startTlsBackend(name, materialIn(folder, certificate), address, port)
}

export function materialIn(folder: Folder, certificate: string): TlsMaterial {
  return {
    certPem: folder.read(`${certificate}/fullchain.pem`),
    keyPem: folder.read(`${certificate}/privkey.pem`),
  }
}

export async function httpServer(
  { backend }: Folder,
  port: number,
  listener: http.RequestListener,
): Promise<Closing> {
  const server = http.createServer(listener)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, backend, resolve)
  })
  return {
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}
