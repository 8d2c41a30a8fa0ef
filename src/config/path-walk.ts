/**
 * Follows a path component by component, the way the kernel does, and says where it stops: the
 * first directory that this user may not enter, or the first name that does not exist. Certificate
 * links (certbot's `live/`) are watched at every stop of the walk.
 */
import { accessSync, constants, lstatSync, readlinkSync } from 'node:fs'
import { userInfo } from 'node:os'
import { dirname, isAbsolute, join, parse, relative, resolve, sep } from 'node:path'
import { errnoOf, messageOf } from '../base/errors.ts'

/** As Linux: a path that needs more links than this is a loop. */
const MAX_LINKS = 40

export interface PathWalk {
  /** Every link on the way, then the last path that was looked at: what to watch. */
  readonly stops: readonly string[]
  /** The first directory, or the file itself, that this user may not pass. */
  readonly blocked?: string
  /** The first name on the way that does not exist. */
  readonly missing?: string
  readonly loop?: true
}

/** What the walk asks of the file system; tests answer for a user other than root. */
export interface PathProbe {
  /** The target of a link, undefined for anything else; throws as lstat does. */
  readonly linkTarget: (path: string) => string | undefined
  readonly mayEnter: (directory: string) => boolean
  readonly mayRead: (path: string) => boolean
}

export const fileSystemProbe: PathProbe = {
  linkTarget: (path) => (lstatSync(path).isSymbolicLink() ? readlinkSync(path) : undefined),
  mayEnter: (directory) => allows(directory, constants.X_OK),
  mayRead: (path) => allows(path, constants.R_OK),
}

export function walkPath(path: string, probe: PathProbe = fileSystemProbe): PathWalk {
  const absolute = resolve(path)
  const stops: string[] = []
  let at = parse(absolute).root
  let pending = namesOf(absolute)
  let links = 0
  for (let name = pending.shift(); name !== undefined; name = pending.shift()) {
    if (!probe.mayEnter(at)) return { stops: [...stops, at], blocked: at }
    const next = name === '..' ? dirname(at) : join(at, name)
    let target: string | undefined
    try {
      target = probe.linkTarget(next)
    } catch (error) {
      stops.push(next)
      return errnoOf(error) === 'EACCES' ? { stops, blocked: at } : { stops, missing: next }
    }
    if (target === undefined) {
      at = next
      continue
    }
    stops.push(next)
    links += 1
    if (links > MAX_LINKS) return { stops, loop: true }
    if (isAbsolute(target)) at = parse(target).root
    pending = [...namesOf(target), ...pending]
  }
  stops.push(at)
  return probe.mayRead(at) ? { stops } : { stops, blocked: at }
}

export interface Unreadable {
  readonly message: string
  readonly help?: string
}

/** Why `path` cannot be read, for people: names the user and the first thing that is in the way. */
export function describeUnreadable(
  path: string,
  error: unknown,
  probe: PathProbe = fileSystemProbe,
  user: string = userName(),
): Unreadable {
  const errno = errnoOf(error)
  if (errno === 'EACCES' || errno === 'EPERM') return describeBlocked(path, probe, user)
  if (errno === 'ENOENT' || errno === 'ENOTDIR') {
    const { missing } = walkPath(path, probe)
    const where =
      missing === undefined || missing === resolve(path) ? '' : `: ${missing} is missing`
    return { message: `${path} does not exist${where}` }
  }
  if (errno === 'ELOOP') return { message: `${path} is a loop of symbolic links` }
  return { message: `cannot read ${path}: ${errno ?? messageOf(error)}` }
}

function describeBlocked(path: string, probe: PathProbe, user: string): Unreadable {
  const { blocked } = walkPath(path, probe)
  if (blocked === undefined) return { message: `user ${user} may not read ${path}` }
  if (probe.mayRead(blocked) === false && blocked === lastStop(path, probe)) {
    return {
      message: `user ${user} may not read ${path}`,
      help: `setfacl -m u:${user}:r ${blocked}`,
    }
  }
  return {
    message: `user ${user} may not read ${path}: the directory ${blocked} is closed to it`,
    help: `setfacl -m u:${user}:x ${blocked}`,
  }
}

function lastStop(path: string, probe: PathProbe): string | undefined {
  const walk = walkPath(path, { ...probe, mayRead: () => true })
  return walk.blocked === undefined ? walk.stops.at(-1) : undefined
}

/** The name of the effective user; containers often run one that has none. */
function userName(): string {
  try {
    return userInfo().username
  } catch {
    return `uid ${process.geteuid?.() ?? 'unknown'}`
  }
}

/** True for `directory` itself and for everything below it. */
export function isBelow(directory: string, path: string): boolean {
  const steps = relative(directory, path)
  return steps === '' || (steps !== '..' && !steps.startsWith(`..${sep}`) && !isAbsolute(steps))
}

function namesOf(path: string): string[] {
  return path.split(sep).filter((name) => name !== '' && name !== '.')
}

function allows(path: string, mode: number): boolean {
  try {
    accessSync(path, mode)
    return true
  } catch (error) {
    return errnoOf(error) !== 'EACCES'
  }
}
