/**
 * Binds one TCP socket without accepting from it, and says in words what to do when the system
 * refuses. The handle comes from Node's own `_createServerHandle`, which node:cluster builds on:
 * the public API has no socket that is bound, idle and transferable to a process (ADR 0001).
 */
import { closeSync, fstatSync } from 'node:fs'
import * as net from 'node:net'
import { getSystemErrorMessage, getSystemErrorName } from 'node:util'
import { GwProxyError } from '../base/errors.ts'
import type { NativeTcpHandle } from '../ipc/bound-handle.ts'
import { bindKey } from '../model/identity.ts'
import type { BindResult } from '../model/status.ts'
import { bindFailureMessage } from '../translate/status/programmed.ts'

export type BindError = NonNullable<BindResult['error']>

export type BindAttempt =
  | { readonly kind: 'bound'; readonly handle: NativeTcpHandle; readonly port: number }
  | { readonly kind: 'failed'; readonly error: BindError }

/** A handle, or a negative errno. `fd` -1: create a socket. */
type CreateServerHandle = (
  address: string,
  port: number,
  family: 4 | 6,
  fd: number,
  flags: number,
) => PassedTcpHandle | number

/** What more of Node's handle counts for a socket that we did not bind. */
export interface PassedTcpHandle extends NativeTcpHandle {
  /** 0: it is connected. */
  getpeername(out: object): number
  /** Called for what a listening handle accepts. */
  onconnection?: (status: number, connection?: NativeTcpHandle) => void
}

/** UV_TCP_IPV6ONLY. */
const IPV6_ONLY = 1

/**
 * `::` is dual-stack and becomes 0.0.0.0 on a machine without IPv6; any other IPv6 address is IPv6
 * only. Port 0 takes a free port.
 * @throws GwProxyError GWP_RUNTIME_UNSUPPORTED when this Node lacks the primitive
 */
export function bindTcp(address: string, port: number): BindAttempt {
  const attempt = bindOnce(address, port)
  if (attempt.kind === 'bound' || address !== '::') return attempt
  return NO_IPV6.has(attempt.error.errno) ? bindOnce('0.0.0.0', port) : attempt
}

/** What bind(2) on `::` answers without IPv6: built without it, or disabled by sysctl. */
const NO_IPV6: ReadonlySet<string> = new Set(['EAFNOSUPPORT', 'EADDRNOTAVAIL', 'EINVAL'])

function bindOnce(address: string, port: number): BindAttempt {
  const family = net.isIPv6(address) ? 6 : 4
  const flags = family === 6 && address !== '::' ? IPV6_ONLY : 0
  const handle = createServerHandle()(address, port, family, -1, flags)
  if (typeof handle === 'number') return failed(handle, address, port)
  // libuv keeps EADDRINUSE of bind(2) for later; asking for the name brings it out.
  const name: { port?: number } = {}
  const status = handle.getsockname(name)
  if (status === 0) return { kind: 'bound', handle, port: name.port ?? port }
  handle.close()
  return failed(status, address, port)
}

/** A TCP socket that came with the process. undefined: it is something else, and closed if a socket. */
export function openTcp(fd: number): PassedTcpHandle | undefined {
  const handle = createServerHandle()('', 0, 4, fd, 0)
  if (typeof handle === 'number') {
    if (isSocket(fd)) closeSync(fd)
    return undefined
  }
  if ('getsockname' in handle)
    return handle
    // A unix socket opens as a pipe, which has no such names.
  ;(handle as NativeTcpHandle).close()
  return undefined
}

function isSocket(fd: number): boolean {
  try {
    return fstatSync(fd).isSocket()
  } catch {
    return false
  }
}

function createServerHandle(): CreateServerHandle {
  const create = (net as { _createServerHandle?: CreateServerHandle })._createServerHandle
  if (create !== undefined) return create
  throw new GwProxyError(
    'GWP_RUNTIME_UNSUPPORTED',
    `Node.js ${process.version} offers no way to bind a socket and hand it on; use Node.js 24`,
  )
}

function failed(status: number, address: string, port: number): BindAttempt {
  const errno = getSystemErrorName(status)
  const raw = { errno, message: helpOf(errno) ?? getSystemErrorMessage(status) }
  const message = bindFailureMessage(bindKey('tcp', address, port), raw, process.execPath)
  return { kind: 'failed', error: { errno, message } }
}

/** What the status rule has no words for. */
function helpOf(errno: string): string | undefined {
  switch (errno) {
    case 'EAFNOSUPPORT':
      return 'this machine has no IPv6; use an IPv4 address in spec.addresses'
    case 'EMFILE':
    case 'ENFILE':
      return 'no file descriptor is left; raise LimitNOFILE (ulimit -n)'
    default:
      return undefined
  }
}

/** Whether the wildcard may be dual-stack here. */
export function hasIpv6(): boolean {
  const attempt = bindOnce('::', 0)
  if (attempt.kind === 'bound') attempt.handle.close()
  return attempt.kind === 'bound'
}
