/**
 * Between config-host (main thread) and config-thread, inside what ConfigUpdate promises to the
 * rest of control: objects and statuses travel only when they changed, since cloning 10,000 of them
 * would hold up the main thread.
 */
import type { UnknownFields } from '../config/admit.ts'
import type { ConfigFailed, ConfigUpdate, ObjectRecord } from '../ipc/messages.ts'
import type { Digest } from '../base/brand.ts'
import type { SentPart } from '../ipc/part-edit.ts'
import type { Manifest } from '../model/snapshot.ts'
import type { ObjectStatus } from '../model/status.ts'
import type { TranslateOptions } from '../translate/options.ts'
import type { Delta } from './delta.ts'

export interface ConfigThreadOptions {
  /** Directories, or single files. */
  readonly roots: readonly string[]
  readonly unknownFields: UnknownFields
  /** Ages, generations and last good versions survive a restart here. */
  readonly stateDir?: string
  /** systemd's, for the files of Secrets. */
  readonly credentialsDirectory?: string
  /** The safety poll, milliseconds. */
  readonly pollIntervalMs: number
  /** Follow file system events; without them the poll alone finds changes. */
  readonly events: boolean
  readonly translate: Omit<TranslateOptions, 'now'>
}

/** Where a thread goes on that replaces one that died. */
export interface ConfigStart {
  readonly pass: number
  readonly manifest: Pick<Manifest, 'generation' | 'digest'> | undefined
}

export interface ConfigThreadData {
  /** Of the process whose thread it is. */
  readonly build: string
  readonly options: ConfigThreadOptions
  readonly start: ConfigStart
}

export interface ThreadUpdate
  extends Omit<ConfigUpdate, 'manifest' | 'objects' | 'statuses' | 'pending' | 'parts'> {
  /** Its parts are those before, less `gone`, and those that travel with it. */
  readonly manifest: Omit<Manifest, 'parts'>
  readonly parts: readonly (readonly [Digest, SentPart])[]
  /** The highest `reload` request that this pass answers; 0: none yet. */
  readonly answers: number
  readonly objects: Delta<ObjectRecord>
  readonly statuses: Delta<ObjectStatus>
  /** Absent: as before. */
  readonly pending?: ConfigUpdate['pending']
}

/** The thread's loop turns. */
export interface ThreadAlive {
  readonly type: 'alive'
}

/** What a pass gives. */
export type PassMessage = ThreadUpdate | ConfigFailed
export type ThreadMessage = PassMessage | ThreadAlive

/** `reload`: rescan now and answer with the next update. `ping`: say that you are alive. */
export type ThreadRequest =
  | { readonly type: 'reload'; readonly request: number }
  | { readonly type: 'ping' }
