/**
 * Which backend a worker runs on: what was asked for, or the fastest that works here. Looked for
 * once at the start, before the first socket arrives.
 */
import { assertNever } from '../../base/assert-never.ts'
import type { IoMode } from '../../ipc/messages.ts'
import type { Logger } from '../../observe/log.ts'
import type { TimerWheel } from '../timer-wheel.ts'
import { createStreamsBackend, type IoBackend } from './backend.ts'
import { type Addon, loadAddon } from './native/addon.ts'
import { createNativeBackend } from './native/backend.ts'
import { testAddon } from './native/self-test.ts'
import { createRawBackend } from './raw/backend.ts'
import { findNative, type Native } from './raw/native.ts'
import { testNative } from './raw/self-test.ts'

/** What there is for a backend below net.Socket; a string says what is missing. */
export interface IoSupport {
  /** undefined: it was not built, which is nothing to complain of. */
  readonly native: Addon | string | undefined
  readonly raw: Native | string
}

export async function findIoSupport(): Promise<IoSupport> {
  const [native, raw] = await Promise.all([findAddon(), findRaw()])
  return { native, raw }
}

async function findAddon(): Promise<Addon | string | undefined> {
  const addon = loadAddon()
  return typeof addon === 'object' ? ((await testAddon(addon)) ?? addon) : addon
}

async function findRaw(): Promise<Native | string> {
  const native = findNative()
  return typeof native === 'string' ? native : ((await testNative(native)) ?? native)
}

/** A backend that cannot be had is replaced by the next, and the log says so: traffic comes first. */
export function createIoBackend(
  mode: IoMode,
  support: IoSupport,
  wheel: TimerWheel,
  peekBytes: number,
  log: Logger,
): IoBackend {
  const { native, raw } = support
  const level = mode === 'auto' ? 'warn' : 'error'
  switch (mode) {
    case 'auto':
    case 'native':
      if (typeof native === 'object') return createNativeBackend(native, wheel, peekBytes)
      if (native !== undefined || mode === 'native') {
        const missing = native ?? 'not built (npm run build:native)'
        log[level]({ missing }, 'no native relay: raw sockets instead')
      }
      return createRawOrStreams(level, raw, wheel, peekBytes, log)
    case 'raw':
      return createRawOrStreams(level, raw, wheel, peekBytes, log)
    case 'streams':
      return createStreamsBackend(wheel, peekBytes)
    default:
      return assertNever(mode)
  }
}

function createRawOrStreams(
  level: 'warn' | 'error',
  raw: IoSupport['raw'],
  wheel: TimerWheel,
  peekBytes: number,
  log: Logger,
): IoBackend {
  if (typeof raw !== 'string') return createRawBackend(raw, wheel, peekBytes)
  log[level]({ missing: raw }, 'no raw sockets: streams instead')
  return createStreamsBackend(wheel, peekBytes)
}
