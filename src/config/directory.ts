/**
 * Finds the manifests below the --config roots: recursive, in byte order, each real file once.
 * `listSources` only looks (names and stat), `readSource` reads one file; neither ever blocks on a
 * FIFO or device, follows a link out of the roots, or reads an unbounded amount.
 */
import { type BigIntStats, lstatSync, readdirSync, realpathSync, statSync } from 'node:fs'
import { basename, join, normalize } from 'node:path'
import { compareText } from '../base/byte-order.ts'
import { errnoOf } from '../base/errors.ts'
import type { Diagnostic, DiagnosticCode } from '../model/diagnostic.ts'
import { describeUnreadable, isBelow } from './path-walk.ts'

/** Deep enough for any real tree; bounds the recursion. */
const MAX_DEPTH = 32

const MANIFEST = /\.(ya?ml|json)$/

/** What editors leave behind: `x~`, `.x.swp`, `.#x`, `#x#`, vim's probe `4913`, `x.tmp`, `x.bak`. */
const LEFTOVER = /^\.|^#.*#$|^4913$|~$|\.(swp|swx|swo|tmp|bak|orig|rej)$/

/** One manifest file, as stat sees it. */
export interface SourceEntry {
  /** As the user would write it: below the root as given. */
  readonly path: string
  readonly realPath: string
  /** `dev:ino`: a file that was replaced by rename has another one. */
  readonly inode: string
  readonly size: number
  /** Changes whenever the content may have: inode, size, mtime and ctime in nanoseconds. */
  readonly stamp: string
  /** Milliseconds since the epoch, for the race between a write and our read. */
  readonly modifiedAt: number
}

export interface RootState {
  readonly path: string
  readonly realPath: string | undefined
  /** `dev:ino real path`; undefined: missing or closed to us. */
  readonly identity: string | undefined
}

/** One look at the roots. */
export interface Listing {
  readonly roots: readonly RootState[]
  /** In byte order of `path`. */
  readonly entries: readonly SourceEntry[]
  /** Files and directories that could not be looked at: what they last gave is kept. */
  readonly unreadable: readonly string[]
  readonly diagnostics: readonly Diagnostic[]
}

interface Walk {
  readonly entries: SourceEntry[]
  readonly unreadable: string[]
  readonly diagnostics: Diagnostic[]
  /** Links wait until the real tree is walked, so that a file is named by its own path. */
  readonly links: string[]
  /** Real paths of what was already taken. */
  readonly seen: Set<string>
  readonly realRoots: readonly string[]
}

/** A root may also be a single file, whatever its name (`gwproxy check FILE`). */
export function listSources(roots: readonly string[]): Listing {
  const paths = [...new Set(roots.map((root) => withoutTrailingSlash(normalize(root))))]
  const walk: Walk = {
    entries: [],
    unreadable: [],
    diagnostics: [],
    links: [],
    seen: new Set(),
    realRoots: paths.flatMap(realPathOf),
  }
  const states = paths.map((path) => listRoot(path, walk))
  // Links may reveal further links, which are appended while the loop runs.
  for (const link of walk.links) followLink(link, walk)
  walk.entries.sort((a, b) => compareText(a.path, b.path))
  return {
    roots: states,
    entries: walk.entries,
    unreadable: walk.unreadable,
    diagnostics: walk.diagnostics,
  }
}

/** Whether a name below a root is a manifest. Dotfiles and leftovers are not, `..data` included. */
export function isManifestName(name: string): boolean {
  return MANIFEST.test(name) && !isIgnoredName(name)
}

export function isIgnoredName(name: string): boolean {
  return LEFTOVER.test(name)
}

function listRoot(path: string, walk: Walk): RootState {
  try {
    const real = realpathSync(path)
    const stat = statSync(real, { bigint: true })
    if (stat.isDirectory()) listDirectory(path, real, 0, walk)
    else take(path, real, stat, walk)
    return { path, realPath: real, identity: `${inodeOf(stat)} ${real}` }
  } catch (error) {
    report(walk, path, error, 'source-missing')
    return { path, realPath: undefined, identity: undefined }
  }
}

function listDirectory(path: string, real: string, depth: number, walk: Walk): void {
  if (walk.seen.has(real)) return
  walk.seen.add(real)
  if (depth > MAX_DEPTH) {
    refuse(walk, path, `${path} is nested deeper than ${MAX_DEPTH} directories`)
    return
  }
  const names = attempt(walk, path, () => readdirSync(real))
  for (const name of names?.sort(compareText) ?? []) {
    if (!isIgnoredName(name)) listName(join(path, name), join(real, name), depth, walk)
  }
}

function listName(path: string, real: string, depth: number, walk: Walk): void {
  const stat = attempt(walk, path, () => lstatSync(real, { bigint: true }))
  if (stat === undefined) return
  if (stat.isDirectory()) listDirectory(path, real, depth + 1, walk)
  else if (stat.isSymbolicLink()) walk.links.push(path)
  else if (MANIFEST.test(path)) take(path, real, stat, walk)
}

function followLink(path: string, walk: Walk): void {
  try {
    const real = realpathSync(path)
    const stat = statSync(real, { bigint: true })
    if (!stat.isDirectory() && !MANIFEST.test(path)) return
    if (!walk.realRoots.some((root) => isBelow(root, real))) {
      refuse(walk, path, `${path} links to ${real}, outside of the configuration directory`, {
        help: 'Copy the file, or give the directory that it is in as another --config.',
      })
    } else if (stat.isDirectory()) listDirectory(path, real, depthOf(path), walk)
    else take(path, real, stat, walk)
  } catch (error) {
    // A directory may loop back to itself or dangle without concern; a manifest may not.
    if (MANIFEST.test(path)) report(walk, path, error, 'source-unreadable')
  }
}

function take(path: string, realPath: string, stat: BigIntStats, walk: Walk): void {
  if (walk.seen.has(realPath)) return
  if (!stat.isFile()) {
    refuse(walk, path, `${path} is a ${typeOf(stat)}, not a file`, { severity: 'warning' })
    return
  }
  walk.seen.add(realPath)
  walk.entries.push({
    path,
    realPath,
    inode: inodeOf(stat),
    size: Number(stat.size),
    stamp: stampOf(stat),
    modifiedAt: Number(stat.mtimeMs),
  })
}

/** Text that differs whenever the file may have other content. */
export function stampOf(stat: BigIntStats): string {
  return `${inodeOf(stat)}:${stat.size}:${stat.mtimeNs}:${stat.ctimeNs}`
}

function inodeOf(stat: BigIntStats): string {
  return `${stat.dev}:${stat.ino}`
}

/** A name that vanished since readdir is simply gone; any other failure is reported. */
function attempt<T>(walk: Walk, path: string, look: () => T): T | undefined {
  try {
    return look()
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') report(walk, path, error, 'source-unreadable')
    return undefined
  }
}

function report(walk: Walk, path: string, error: unknown, missing: DiagnosticCode): void {
  const { message, help } = describeUnreadable(path, error)
  const code = errnoOf(error) === 'ENOENT' ? missing : 'source-unreadable'
  walk.unreadable.push(path)
  walk.diagnostics.push({
    severity: 'error',
    code,
    origin: wholeFile(path),
    message,
    ...(help === undefined ? {} : { help }),
  })
}

function refuse(
  walk: Walk,
  path: string,
  message: string,
  more: Pick<Partial<Diagnostic>, 'help' | 'severity'> = {},
): void {
  walk.unreadable.push(path)
  walk.diagnostics.push({
    severity: 'error',
    code: 'source-unreadable',
    origin: wholeFile(path),
    message,
    ...more,
  })
}

export function wholeFile(path: string): Diagnostic['origin'] {
  return { file: path, line: 1, column: 1 }
}

function typeOf(stat: BigIntStats): string {
  if (stat.isFIFO()) return 'FIFO'
  if (stat.isSocket()) return 'socket'
  if (stat.isDirectory()) return 'directory'
  return 'device'
}

function realPathOf(path: string): string[] {
  try {
    return [realpathSync(path)]
  } catch {
    return []
  }
}

function depthOf(path: string): number {
  return path.split('/').length
}

function withoutTrailingSlash(path: string): string {
  return path.length > 1 && path.endsWith('/') && basename(path) !== '' ? path.slice(0, -1) : path
}
