/**
 * File system events as hints, by chokidar. It misses a root that is a retargeted link and a root
 * that was renamed away (platform notes section 9), so a root's watcher is made anew when the
 * root's identity has changed, and the safety poll finds out in any case.
 */
import { basename, relative } from 'node:path'
import { type FSWatcher, watch } from 'chokidar'
import { messageOf } from '../base/errors.ts'
import { isIgnoredName, isManifestName, type RootState } from './directory.ts'

export interface WatcherPorts {
  /** Something happened below a root, or to a certificate file. */
  readonly onEvent: () => void
  /** Events are lost, mostly for want of inotify watches; the poll goes on. */
  readonly onError: (message: string) => void
}

const SECRET_OPTIONS = {
  ignoreInitial: true,
  followSymlinks: false,
  ignorePermissionErrors: true,
  depth: 0,
}

interface RootWatch {
  readonly identity: string | undefined
  readonly watcher: FSWatcher
}

export class Watcher {
  readonly #ports: WatcherPorts
  readonly #roots = new Map<string, RootWatch>()
  #secretPaths = new Set<string>()
  #secrets: FSWatcher | undefined

  constructor(ports: WatcherPorts) {
    this.#ports = ports
  }

  /** Watches exactly these from now on; cheap when nothing changed. */
  update(roots: readonly RootState[], secretPaths: readonly string[]): void {
    for (const { path, realPath, identity } of roots) {
      const held = this.#roots.get(path)
      if (held !== undefined && held.identity === identity) continue
      if (held !== undefined) void held.watcher.close()
      this.#roots.set(path, { identity, watcher: this.#watchRoot(realPath ?? path) })
    }
    this.#watchSecrets(new Set(secretPaths))
  }

  async stop(): Promise<void> {
    const watchers = [...this.#roots.values()].map(({ watcher }) => watcher)
    if (this.#secrets !== undefined) watchers.push(this.#secrets)
    await Promise.all(watchers.map((watcher) => watcher.close()))
  }

  #watchRoot(root: string): FSWatcher {
    const watcher = watch(root, {
      ignoreInitial: true,
      followSymlinks: false,
      // A closed directory is reported by the listing, with the user and what to do.
      ignorePermissionErrors: true,
      ignored: (path, stats) => {
        const below = relative(root, path)
        const names = below === '' ? [] : below.split('/')
        if (names.some((name) => isIgnoredName(name) && name !== '..data')) return true
        return names.length > 0 && stats?.isFile() === true && !isManifestName(basename(path))
      },
    })
    return this.#listen(watcher)
  }

  #watchSecrets(paths: Set<string>): void {
    const isSame = [...paths].every((path) => this.#secretPaths.has(path))
    if (isSame && paths.size === this.#secretPaths.size) return
    if (this.#secrets !== undefined) void this.#secrets.close()
    this.#secretPaths = paths
    this.#secrets = paths.size === 0 ? undefined : this.#listen(watch([...paths], SECRET_OPTIONS))
  }

  #listen(watcher: FSWatcher): FSWatcher {
    watcher.on('all', () => this.#ports.onEvent())
    // What happened between the listing and this moment had no event.
    watcher.on('ready', () => this.#ports.onEvent())
    watcher.on('error', (error) => this.#ports.onError(messageOf(error)))
    return watcher
  }
}
