/**
 * Fills Secrets and ConfigMaps that are made of files, and merges `stringData`. Key and chain are
 * swapped as one verified pair: while the files do not fit together (a renewal is on its way), the
 * last pair stays and the caller is asked to look again soon (decision 9).
 */
import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Resource } from '../api/resource.ts'
import { errnoOf } from '../base/errors.ts'
import { MappedList } from '../base/lists.ts'
import type { Diagnostic } from '../model/diagnostic.ts'
import { displayKey, keyText } from '../model/resource-key.ts'
import type { AnyObject } from './admit.ts'
import { stampOf } from './directory.ts'
import {
  chooseFiles,
  type FileSource,
  FROM_DIRECTORY,
  FROM_FILES,
  fileSourceOf,
} from './file-source.ts'
import type { Unreadable } from './path-walk.ts'
import { walkPath } from './path-walk.ts'
import { type KeyData, readKeyFiles } from './verified-pair.ts'

/** How long files may disagree before it is reported; they are looked at every RETRY_MS meanwhile. */
const SETTLE_MS = 500
const RETRY_MS = 100

type AnyResource = Resource<AnyObject>
type Data = ReadonlyMap<string, Uint8Array>

interface HeldFiles {
  /** The annotation, resolved: another source never inherits a pair. */
  readonly source: string
  readonly paths: readonly string[]
  readonly stamp: string
  /** The last verified data. */
  readonly data: Data | undefined
  readonly problem: Unreadable | undefined
  /** Monotonic milliseconds. */
  readonly brokenSince: number | undefined
}

export interface FilledResources {
  readonly resources: readonly AnyResource[]
  readonly diagnostics: readonly Diagnostic[]
  /** Look again after this many milliseconds. */
  readonly retryInMs: number | undefined
}

export class SecretFiles {
  readonly #own: MappedList<AnyResource, OwnData | Sourced>
  #held: ReadonlyMap<string, HeldFiles> = new Map()
  #filled = new WeakMap<AnyResource, { readonly from: HeldFiles; readonly resource: AnyResource }>()

  /** `credentialsDirectory`: systemd's, where it has one for us. */
  constructor(credentialsDirectory?: string) {
    this.#own = new MappedList((resource) => sourced(resource, credentialsDirectory))
  }

  /** `now`: monotonic milliseconds. Called on every pass with all resources. */
  fill(resources: readonly AnyResource[], now: number): FilledResources {
    const next = new Map<string, HeldFiles>()
    const diagnostics: Diagnostic[] = []
    let retryInMs: number | undefined
    const filled = this.#own.next(resources).map((own) => {
      if (own.source === undefined) return own.resource
      const { resource, source, kind } = own
      const key = keyText(resource.key)
      const held = look(source, kind, this.#held.get(key), now)
      next.set(key, held)
      const isSettling = held.brokenSince !== undefined && now - held.brokenSince < SETTLE_MS
      if (isSettling) retryInMs = RETRY_MS
      if (held.problem !== undefined && !(isSettling && held.data !== undefined)) {
        diagnostics.push(diagnosticOf(resource, held.problem, held.data !== undefined))
      }
      return this.#withFiles(resource, held)
    })
    this.#held = next
    return { resources: filled, diagnostics, retryInMs }
  }

  /** Files, directories and links whose change may change the result. */
  paths(): readonly string[] {
    const paths = [...this.#held.values()].flatMap((held) => held.paths)
    return [...new Set(paths.flatMap((path) => [path, ...walkPath(path).stops]))]
  }

  /** Of the files as they were read. */
  filledFingerprint(): string {
    return [...this.#held.values()].map(({ stamp }) => stamp).join('\n')
  }

  /** Of the files as they are now. */
  fingerprint(): string {
    return [...this.#held.values()].map(({ paths }) => stampsOf(paths)).join('\n')
  }

  #withFiles(resource: AnyResource, held: HeldFiles): AnyResource {
    const known = this.#filled.get(resource)
    if (known !== undefined && sameResult(known.from, held)) return known.resource
    const made = fillOne(resource, held)
    this.#filled.set(resource, { from: held, resource: made })
    return made
  }
}

/** A resource with what it says itself. */
interface OwnData {
  readonly source: undefined
  readonly resource: AnyResource
}

/** One that is made of files. */
interface Sourced {
  readonly source: FileSource
  readonly kind: 'Secret' | 'ConfigMap'
  readonly resource: AnyResource
}

function sourced(resource: AnyResource, credentials: string | undefined): OwnData | Sourced {
  const { kind } = resource.key
  if (kind !== 'Secret' && kind !== 'ConfigMap') return { source: undefined, resource }
  const { annotations } = resource.object.metadata
  const source = fileSourceOf(annotations, resource.origin.file, credentials)
  if (source !== undefined) return { source, kind, resource }
  const hasText = kind === 'Secret' && 'stringData' in resource.object
  return { source, resource: hasText ? withData(resource, new Map()) : resource }
}

function look(
  source: FileSource,
  kind: string,
  before: HeldFiles | undefined,
  now: number,
): HeldFiles {
  const text = JSON.stringify(source)
  const past = before?.source === text ? before : undefined
  const held = { source: text, data: past?.data }
  if (source.kind === 'invalid') {
    return { ...held, paths: [], stamp: '', problem: source, brokenSince: undefined }
  }
  const base = source.kind === 'directory' ? [source.directory] : []
  // Stamps are taken before the look: a change in between is seen as one the next time.
  const baseStamp = stampsOf(base)
  const chosen = source.kind === 'directory' ? chooseFiles(source.directory, kind) : source
  if (chosen.kind === 'waiting') {
    // The directory's own stamp changes when the file that is waited for appears.
    return { ...held, paths: base, stamp: baseStamp, problem: chosen, brokenSince: undefined }
  }
  const paths = [...new Set([...base, ...chosen.files.map(({ path }) => path)])]
  const stamp = stampsOf(paths)
  if (past?.stamp === stamp && past.problem === undefined) return past
  const read: KeyData = readKeyFiles(chosen.files)
  if (read.kind === 'data' && stampsOf(paths) === stamp) {
    return { ...held, paths, stamp, data: read.data, problem: undefined, brokenSince: undefined }
  }
  const problem = read.kind === 'problem' ? read : { message: 'the files are being written' }
  const isSameProblem = past?.problem !== undefined && past.stamp === stamp
  return { ...held, paths, stamp, problem, brokenSince: isSameProblem ? past.brokenSince : now }
}

function sameResult(a: HeldFiles, b: HeldFiles): boolean {
  return a.data === b.data && (b.data !== undefined || a.problem?.message === b.problem?.message)
}

function fillOne(resource: AnyResource, held: HeldFiles): AnyResource {
  if (held.data !== undefined) return withData(resource, held.data)
  const fileProblem = held.problem?.message ?? 'its files were not read yet'
  return { ...withData(resource, new Map()), fileProblem }
}

/** Secrets hold base64, and `stringData` over `data` as the API server writes it; ConfigMaps text. */
function withData(resource: AnyResource, data: Data): AnyResource {
  if (resource.key.kind === 'ConfigMap') {
    const text = mapValues(data, (bytes) => Buffer.from(bytes).toString('utf8'))
    return { ...resource, object: { ...resource.object, ...dataField(resource.object, text) } }
  }
  const { stringData, ...object } = resource.object as AnyObject & {
    readonly stringData?: Readonly<Record<string, string>>
    readonly type?: string
  }
  const clear = Object.entries(stringData ?? {}).map(([key, text]) => [
    key,
    base64(Buffer.from(text)),
  ])
  const members = { ...Object.fromEntries(clear), ...mapValues(data, base64) }
  const isPair = data.has('tls.crt') && data.has('tls.key')
  const type = isPair && object.type === 'Opaque' ? { type: 'kubernetes.io/tls' } : {}
  return { ...resource, object: { ...object, ...type, ...dataField(object, members) } }
}

function dataField(object: AnyObject, members: Readonly<Record<string, string>>) {
  const present = 'data' in object && typeof object.data === 'object' ? object.data : {}
  return { data: { ...present, ...members } }
}

function mapValues(data: Data, value: (bytes: Uint8Array) => string): Record<string, string> {
  return Object.fromEntries([...data].map(([key, bytes]) => [key, value(bytes)]))
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}

function diagnosticOf(resource: AnyResource, problem: Unreadable, keepsOld: boolean): Diagnostic {
  const annotations = resource.object.metadata.annotations ?? {}
  const annotation = FROM_DIRECTORY in annotations ? FROM_DIRECTORY : FROM_FILES
  return {
    severity: 'error',
    code: 'secret-files',
    origin: resource.locate(['metadata', 'annotations', annotation]),
    object: displayKey(resource.key),
    path: `metadata.annotations["${annotation}"]`,
    message: keepsOld ? `${problem.message}; the last good files stay in use` : problem.message,
    ...(problem.help === undefined ? {} : { help: problem.help }),
  }
}

function stampsOf(paths: readonly string[]): string {
  return paths.map((path) => `${path} ${stampAt(path)}`).join('\n')
}

/** Of what the path leads to, through all links. */
function stampAt(path: string): string {
  try {
    return stampOf(statSync(resolve(path), { bigint: true }))
  } catch (error) {
    return errnoOf(error) ?? 'unknown'
  }
}
