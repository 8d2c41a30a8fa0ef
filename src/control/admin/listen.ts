/**
 * Opens the admin interface and the metrics listener. The unix socket is 0660 from its first
 * moment, in a directory of ours; one that nobody answers on is a leftover and is replaced.
 */
import { once } from 'node:events'
import { lstatSync, rmSync } from 'node:fs'
import type { Server } from 'node:http'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import { errnoOf, GwProxyError, messageOf } from '../../base/errors.ts'
import { makeDirectory } from '../../base/make-directory.ts'
import {
  type AdminAddress,
  addressText,
  isLoopback,
  type TcpAddress,
  type UnixAddress,
} from './address.ts'
import type { AccessRules } from './http-listener.ts'

const LOOPBACK_HOSTS = ['localhost', '127.0.0.1', '::1'] as const

/** rw-rw---- for a socket. */
const SOCKET_UMASK = 0o117

/**
 * Who may speak to an admin interface at this address.
 * @throws GwProxyError GWP_OPTION_INVALID for an address that others reach, without a token
 */
export function adminRules(address: AdminAddress, token: string | undefined): AccessRules {
  // A unix socket too: `ssh -L` brings it to a port of a machine with a browser.
  if (address.kind !== 'tcp') return { hosts: new Set(LOOPBACK_HOSTS), token: undefined }
  if (isLoopback(address.host)) return { hosts: hostsOf(address), token }
  if (token !== undefined) return { hosts: undefined, token }
  throw new GwProxyError(
    'GWP_OPTION_INVALID',
    `--admin ${addressText(address)} is reachable from other machines: set GWPROXY_ADMIN_TOKEN, or use a loopback address or unix:PATH`,
  )
}

/** The metrics listener changes nothing, so an open address needs no token. */
export function metricsRules(address: TcpAddress): AccessRules {
  return { hosts: isLoopback(address.host) ? hostsOf(address) : undefined, token: undefined }
}

function hostsOf({ host }: TcpAddress): ReadonlySet<string> {
  return new Set([host, ...LOOPBACK_HOSTS])
}

/**
 * Resolves when the server listens.
 * @throws GwProxyError GWP_BIND_FAILED
 */
export async function listen(server: Server, address: UnixAddress | TcpAddress): Promise<void> {
  try {
    if (address.kind === 'tcp') await listenTcp(server, address)
    else await listenUnix(server, address)
  } catch (error) {
    if (error instanceof GwProxyError) throw error
    throw new GwProxyError('GWP_BIND_FAILED', `${addressText(address)}: ${messageOf(error)}`, {
      cause: error,
    })
  }
}

async function listenTcp(server: Server, { host, port }: TcpAddress): Promise<void> {
  server.listen(port, host)
  await once(server, 'listening')
}

async function listenUnix(server: Server, address: UnixAddress): Promise<void> {
  prepareDirectory(dirname(address.path))
  try {
    await listenPath(server, address.path)
  } catch (error) {
    if (errnoOf(error) !== 'EADDRINUSE') throw error
    if (!lstatSync(address.path).isSocket()) {
      throw new GwProxyError('GWP_BIND_FAILED', `${address.path} exists and is no socket`)
    }
    if (await isAnswered(address.path)) {
      throw new GwProxyError(
        'GWP_BIND_FAILED',
        `another process answers at ${addressText(address)}: stop it, or name another address with --admin`,
      )
    }
    rmSync(address.path)
    await listenPath(server, address.path)
  }
}

async function listenPath(server: Server, path: string): Promise<void> {
  // bind(2) happens inside listen(), so the mask covers exactly this socket.
  const before = process.umask(SOCKET_UMASK)
  try {
    server.listen(path)
  } finally {
    process.umask(before)
  }
  await once(server, 'listening')
}

/** Whoever owns the directory could put another socket in our place. */
function prepareDirectory(directory: string): void {
  makeDirectory(directory, 0o750)
  const { uid } = lstatSync(directory)
  if (uid === 0 || uid === process.getuid?.()) return
  throw new GwProxyError(
    'GWP_BIND_FAILED',
    `the directory ${directory} belongs to user ${uid}, who could take over the admin socket: choose another with --admin unix:PATH`,
  )
}

function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path)
    const finish = (answered: boolean): void => {
      probe.destroy()
      resolve(answered)
    }
    probe.on('connect', () => finish(true))
    probe.on('error', (error) => finish(errnoOf(error) !== 'ECONNREFUSED'))
  })
}
