/**
 * The optional addon (native/, built by `npm run build:native`): a thread that accepts, connects and
 * relays. Its absence is a normal case. What its functions promise: native/relay.h, native/addon.c.
 */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { messageOf } from '../../../base/errors.ts'
import { PACKAGE_ROOT } from '../../../base/program-files.ts'

declare const handle: unique symbol
export type RelayHandle = { readonly [handle]: true }

export interface Addon {
  readonly interface: number
  /** Events come into `memory`, `length` bytes of them. */
  open(onEvents: (length: number) => void, memory: ArrayBuffer): RelayHandle
  close(relay: RelayHandle): void
  /** Whether the process stays alive for its sake. */
  hold(relay: RelayHandle, keepsAlive: boolean): void
  /** Duplicates the descriptor. 0 or errno. */
  listen(relay: RelayHandle, fd: number, backlog: number, listener: number): number
  /** All that was accepted before has been told when it returns. */
  unlisten(relay: RelayHandle, listener: number): void
  peek(relay: RelayHandle, slot: number): void
  /** `port` 0: `address` is a path. 0 or errno; then an event with `attempt`. */
  connect(
    relay: RelayHandle,
    slot: number,
    attempt: number,
    address: string,
    port: number,
    first: readonly [preface: Buffer | undefined, head: Buffer],
    timeoutMs: number,
    idleMs: number,
  ): number
  /** The descriptor of the downstream; lets the slot go. */
  take(relay: RelayHandle, slot: number): number
  /** Closes both sockets; lets the slot go. */
  cut(relay: RelayHandle, slot: number, reset: boolean): void
  /** Read from the downstream (0), its first bytes included, or from the upstream (1). */
  bytes(relay: RelayHandle, slot: number, from: number): number
}

const INTERFACE = 1
const BUILT = join(PACKAGE_ROOT, 'native/relay.node')

/**
 * `GWPROXY_NATIVE` names another file. undefined: it was not built. A string: why it cannot be used.
 */
export function loadAddon(
  path = process.env['GWPROXY_NATIVE'] ?? BUILT,
): Addon | string | undefined {
  if (!existsSync(path)) return path === BUILT ? undefined : `${path}: no such file`
  try {
    const addon = createRequire(import.meta.url)(path) as Addon
    return addon.interface === INTERFACE ? addon : `${path}: built for another version`
  } catch (error) {
    return `${path}: ${messageOf(error)}`
  }
}
