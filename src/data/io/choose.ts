/**
 * Which backend a worker runs on: what was asked for, or the fastest that works here. Looked for
 * once at the start, before the first socket arrives.
 */
import { assertNever } from '../../base/assert-never.ts'
import type { IoMode } from '../../ipc/messages.ts'
import type { Logger } from '../../observe/log.ts'
import type { TimerWheel } from '../timer-wheel.ts'
import { createStreamsBackend, type IoBackend } from './backend.ts'
import { createRawBackend } from './raw/backend.ts'
import { findNative, type Native } from './raw/native.ts'
import { testNative } from './raw/self-test.ts'

/** What this Node has for a backend below net.Socket; a string says what is missing. */
export interface IoSupport {
  readonly raw: Native | string
}

export async function findIoSupport(): Promise<IoSupport> {
  const native = findNative()
  if (typeof native === 'string') return { raw: native }
  return { raw: (await testNative(native)) ?? native }
}

/** A backend that cannot be had is replaced by `streams`, and the log says so: traffic comes first. */
export function createIoBackend(
  mode: IoMode,
  { raw }: IoSupport,
  wheel: TimerWheel,
  peekBytes: number,
  log: Logger,
): IoBackend {
  switch (mode) {
    case 'auto':
    case 'raw':
      if (typeof raw !== 'string') return createRawBackend(raw, wheel, peekBytes)
      log[mode === 'raw' ? 'error' : 'warn']({ missing: raw }, 'no raw sockets: streams instead')
      return createStreamsBackend(wheel, peekBytes)
    case 'streams':
      return createStreamsBackend(wheel, peekBytes)
    default:
      return assertNever(mode)
  }
}
