/**
 * Files to resources, pass by pass: list, read, split, admit, settle identities, fill Secrets from
 * files. Synchronous, and cached by content at each step: a pass costs what changed. Owned by the
 * config thread; `load-once` runs a single pass.
 */
import type { Clock } from '../base/clock.ts'
import type { Digest } from '../base/brand.ts'
import { digestOfText } from '../base/digest.ts'
import { MappedList } from '../base/lists.ts'
import type { Diagnostic } from '../model/diagnostic.ts'
import type { Resource } from '../api/resource.ts'
import type { AnyResource } from '../api/resource-set.ts'
import { admitDocument, type AnyObject, type UnknownFields } from './admit.ts'
import { type Listing, listSources, type RootState } from './directory.ts'
import { type DocumentText, splitDocuments } from './documents.ts'
import {
  type Given,
  type GivenDocument,
  type GivenFile,
  type Held,
  type IdentityState,
  type RememberedObject,
  type Settled,
  settle,
} from './identity.ts'
import { resourceOf } from './resources.ts'
import { SecretFiles } from './secret-files.ts'
import {
  DEFAULT_SOURCE_LIMITS,
  SourceCache,
  type SourceFile,
  type SourceLimits,
} from './source-cache.ts'

export interface LoaderOptions {
  /** Directories, or single files. */
  readonly roots: readonly string[]
  readonly unknownFields: UnknownFields
  readonly limits?: SourceLimits
  /** Texts that are no files, such as standard input; `path` names them in diagnostics. */
  readonly texts?: readonly SourceFile[]
  /** First-seen times count as age: they are kept over restarts (--state-dir). */
  readonly keepsAge?: boolean
  /** systemd's $CREDENTIALS_DIRECTORY, for the files of Secrets. */
  readonly credentialsDirectory?: string
  readonly clock: Clock
}

export interface Loaded {
  readonly resources: readonly AnyResource[]
  readonly diagnostics: readonly Diagnostic[]
  readonly counts: { readonly files: number; readonly objects: number; readonly stale: number }
  /** Files are being written, or do not fit together yet: load again after this time. */
  readonly retryInMs: number | undefined
  readonly listing: Listing
}

const RETRY_MS = 100

export class Loader {
  readonly #options: LoaderOptions
  readonly #sources: SourceCache
  readonly #secrets: SecretFiles
  #files: ReadonlyMap<SourceFile, GivenFile> = new Map()
  #state: IdentityState = new Map()
  #settled: Settled | undefined
  readonly #resources: MappedList<Held, Resource<AnyObject>>
  #remembered: ReadonlyMap<string, RememberedObject> = new Map()

  constructor(options: LoaderOptions) {
    this.#options = options
    const { keepsAge = false } = options
    this.#resources = new MappedList((held) => resourceOf(held, keepsAge))
    this.#secrets = new SecretFiles(options.credentialsDirectory)
    this.#sources = new SourceCache(options.limits ?? DEFAULT_SOURCE_LIMITS)
  }

  /** What a look at the file system sees now; cheap enough for a poll. */
  look(): Listing {
    return listSources(this.#options.roots)
  }

  load(listing: Listing = this.look()): Loaded {
    const { clock, texts = [] } = this.#options
    const read = this.#sources.read(listing.entries, clock.now())
    const given: Given = {
      files: this.#admit([...read.files, ...texts]),
      unreadable: [...listing.unreadable, ...read.unreadable, ...read.changing],
    }
    const settled = settle(this.#state, given, {
      now: clock.now(),
      remembered: this.#remembered,
      ...(this.#settled && { after: this.#settled }),
    })
    this.#state = settled.held
    this.#settled = settled
    const held = [...settled.held.values()]
    const filled = this.#secrets.fill(this.#resources.next(held), clock.monotonic())
    return {
      // Admission has checked each object against the schema of its kind.
      resources: filled.resources as readonly AnyResource[],
      diagnostics: [
        ...listing.diagnostics,
        ...read.diagnostics,
        ...settled.diagnostics,
        ...filled.diagnostics,
        ...(given.files.length === 0 && given.unreadable.length === 0
          ? listing.roots.filter(({ identity }) => identity !== undefined).map(emptyRoot)
          : []),
      ],
      counts: {
        files: given.files.length,
        objects: held.length,
        stale: settled.stale,
      },
      retryInMs: read.changing.length > 0 ? RETRY_MS : filled.retryInMs,
      listing,
    }
  }

  /** Of what the last load read, which was `listing`. */
  loadedFingerprint(listing: Listing): string {
    return fingerprintOf(listing, this.#secrets.filledFingerprint())
  }

  /** Of what a load would read now: another one means that it may give another result. */
  fingerprint(listing: Listing): string {
    return fingerprintOf(listing, this.#secrets.fingerprint())
  }

  /** What is served now, for --state-dir. */
  state(): IdentityState {
    return this.#state
  }

  /** Starts from an earlier run's last good objects and ages; before the first pass only. */
  restore(state: IdentityState, remembered: ReadonlyMap<string, RememberedObject>): void {
    this.#state = state
    this.#remembered = remembered
  }

  /** Certificate files, their directories and links. */
  secretPaths(): readonly string[] {
    return this.#secrets.paths()
  }

  #admit(files: readonly SourceFile[]): GivenFile[] {
    const before = this.#files
    const texts = new KnownTexts(before, files)
    const given = files.map((file): readonly [SourceFile, GivenFile] => [
      file,
      before.get(file) ?? { path: file.path, documents: this.#admitFile(file, texts) },
    ])
    this.#files = new Map(given)
    return given.map(([, admitted]) => admitted)
  }

  #admitFile(file: SourceFile, texts: KnownTexts): GivenDocument[] {
    return splitDocuments(file.takeText()).map((document) => {
      const known = texts.get(document.digest)
      if (known !== undefined) {
        const { text } = known.document
        return { document: { ...document, text }, admitted: known.admitted }
      }
      const own: DocumentText = { ...document, text: ownText(document.text) }
      const given = { document: own, admitted: admitDocument(own, this.#options.unknownFields) }
      texts.add(given)
      return given
    })
  }
}

/** Documents of files that are others now, and of those that were read in this pass. */
class KnownTexts {
  readonly #before: ReadonlyMap<SourceFile, GivenFile>
  readonly #files: readonly SourceFile[]
  #texts: Map<Digest, GivenDocument> | undefined

  constructor(before: ReadonlyMap<SourceFile, GivenFile>, files: readonly SourceFile[]) {
    this.#before = before
    this.#files = files
  }

  get(digest: Digest): GivenDocument | undefined {
    this.#texts ??= this.#ofFormerFiles()
    return this.#texts.get(digest)
  }

  add(given: GivenDocument): void {
    this.#texts?.set(given.document.digest, given)
  }

  #ofFormerFiles(): Map<Digest, GivenDocument> {
    const former = new Map(this.#before)
    for (const file of this.#files) former.delete(file)
    const documents = [...former.values()].flatMap((file) => file.documents)
    return new Map(documents.map((given) => [given.document.digest, given]))
  }
}

function fingerprintOf({ roots, entries, unreadable }: Listing, secrets: string): string {
  const rootLines = roots.map(({ path, identity }) => `${path} ${identity ?? 'missing'}`)
  const fileLines = entries.map(({ path, stamp }) => `${path} ${stamp}`)
  const parts = [rootLines, fileLines, unreadable, [secrets]]
  return digestOfText(parts.map((lines) => lines.join('\n')).join('\n\n'))
}

/** Legal, but hardly what anybody meant; a missing root has a diagnostic of its own. */
function emptyRoot({ path }: RootState): Diagnostic {
  return {
    severity: 'warning',
    code: 'nothing-to-serve',
    origin: { file: path, line: 1, column: 1 },
    message: 'there is no manifest here, so nothing is served',
    help: 'Manifests end in .yaml, .yml or .json; at least one Gateway is needed.',
  }
}

/** A slice keeps the whole file's text alive as long as one of its documents is held. */
function ownText(slice: string): string {
  return Buffer.from(slice).toString()
}
