/**
 * Where the admin interface and the metrics listener are: parsing of `--admin` and `--metrics` and
 * the default unix socket of this user. The CLI looks where the daemon puts it.
 */
import { existsSync } from 'node:fs'
import { isIP } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { GwProxyError } from '../../base/errors.ts'

export interface TcpAddress {
  readonly kind: 'tcp'
  /** IP literal or `localhost`. */
  readonly host: string
  readonly port: number
}

export interface UnixAddress {
  readonly kind: 'unix'
  readonly path: string
}

export type AdminAddress = UnixAddress | TcpAddress | { readonly kind: 'off' }
export type MetricsAddress = TcpAddress | { readonly kind: 'off' }

export type Environment = Readonly<Record<string, string | undefined>>

/**
 * `unix:PATH`, `HOST:PORT` or `off`.
 * @throws GwProxyError GWP_OPTION_INVALID
 */
export function parseAdminAddress(text: string): AdminAddress {
  if (!text.startsWith('unix:'))
    return parseTcpOrOff('--admin', text, 'unix:PATH, HOST:PORT or off')
  const path = text.slice('unix:'.length)
  if (path === '') throw invalid('--admin', text, 'a path after unix:')
  // sun_path holds 108 bytes with its terminating NUL; Node would cut a longer one silently.
  if (Buffer.byteLength(path) > 107) throw invalid('--admin', text, 'a path of at most 107 bytes')
  return { kind: 'unix', path }
}

/**
 * `HOST:PORT` or `off`.
 * @throws GwProxyError GWP_OPTION_INVALID
 */
export function parseMetricsAddress(text: string): MetricsAddress {
  return parseTcpOrOff('--metrics', text, 'HOST:PORT or off')
}

/** Of root, and of the service that docs/install.md sets up. */
const SYSTEM_SOCKET: UnixAddress = { kind: 'unix', path: '/run/gwproxy/admin.sock' }

/**
 * The admin socket when `--admin` is not given: systemd's RuntimeDirectory, else the place where
 * this user keeps runtime files.
 */
export function defaultAdminAddress(
  environment: Environment = process.env,
  uid: number = process.getuid?.() ?? 0,
): UnixAddress {
  const runtimeDirectory = firstDirectory(environment['RUNTIME_DIRECTORY'])
  if (runtimeDirectory !== undefined)
    return { kind: 'unix', path: join(runtimeDirectory, 'admin.sock') }
  if (uid === 0) return SYSTEM_SOCKET
  const userDirectory = environment['XDG_RUNTIME_DIR']
  if (userDirectory) return { kind: 'unix', path: join(userDirectory, 'gwproxy', 'admin.sock') }
  return { kind: 'unix', path: join(tmpdir(), `gwproxy-${uid}`, 'admin.sock') }
}

/**
 * Where the CLI looks: the same place, or that of the machine's service when this user runs none.
 */
export function findAdminAddress(
  exists: (path: string) => boolean = existsSync,
  environment?: Environment,
  uid?: number,
): UnixAddress {
  const own = defaultAdminAddress(environment, uid)
  return !exists(own.path) && exists(dirname(SYSTEM_SOCKET.path)) ? SYSTEM_SOCKET : own
}

/** RuntimeDirectory= and its like may name several, separated by colons: the first is ours. */
export function firstDirectory(directories: string | undefined): string | undefined {
  return directories?.split(':', 1)[0] || undefined
}

/** The form that the options take, for messages. */
export function addressText(address: AdminAddress): string {
  switch (address.kind) {
    case 'off':
      return 'off'
    case 'unix':
      return `unix:${address.path}`
    case 'tcp':
      return isIP(address.host) === 6
        ? `[${address.host}]:${address.port}`
        : `${address.host}:${address.port}`
  }
}

/** True for addresses that only this machine reaches. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}

function parseTcpOrOff(option: string, text: string, expected: string): MetricsAddress {
  if (text === 'off') return { kind: 'off' }
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]]+)):([0-9]{1,5})$/.exec(text)
  const host = match?.[1] ?? match?.[2] ?? ''
  const port = Number(match?.[3] ?? -1)
  const known =
    match?.[1] === undefined ? isIP(host) === 4 || host === 'localhost' : isIP(host) === 6
  if (!known || port < 0 || port > 65_535) {
    throw invalid(option, text, `${expected}, where HOST is localhost or an IP address`)
  }
  return { kind: 'tcp', host, port }
}

function invalid(option: string, text: string, expected: string): GwProxyError {
  return new GwProxyError('GWP_OPTION_INVALID', `${option} ${text}: expected ${expected}`)
}
