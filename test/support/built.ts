/**
 * gwproxy as users get it, bundled and compiled ahead: a daemon starts with half of the CPU that a
 * checkout needs, which reads and compiles each file of src/. Built when it is first asked for, then
 * kept below node_modules/.cache by the digest of what it is made of, so that none is ever older
 * than its sources.
 */
import { execFileSync } from 'node:child_process'
import { hash } from 'node:crypto'
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
} from 'node:fs'
import { join, resolve } from 'node:path'

const ROOT = resolve(import.meta.dirname, '../..')
const CACHE = join(ROOT, 'node_modules/.cache/gwproxy-built')
/** What it is made of. npm keeps the last one: which libraries are installed. */
const MADE_OF = ['src', 'build', 'bin', 'package.json', 'node_modules/.package-lock.json']
/** A build that no run has used for this time goes. */
const KEPT_MS = 86_400_000

/**
 * Path of the launcher. Takes three seconds of CPU when something has changed.
 * @throws Error the sources cannot be built, or changed meanwhile
 */
export function builtLauncher(): string {
  return join(builtPackage(), 'bin/gwproxy')
}

/** Its directory: to start from, or to copy. As `builtLauncher`. */
export function builtPackage(): string {
  const digest = digestOfSources()
  const directory = join(CACHE, digest)
  if (!existsSync(directory)) build(directory, digest)
  utimesSync(directory, new Date(), new Date())
  removeOld()
  return directory
}

/**
 * Of paths and contents: a checkout that was moved builds again, since links lead back to it. Without
 * what Node is: V8 tells a foreign cache itself.
 */
function digestOfSources(): string {
  const files = MADE_OF.flatMap((name) => {
    const path = join(ROOT, name)
    if (statSync(path).isFile()) return [name]
    const below = readdirSync(path, { recursive: true, withFileTypes: true })
    return below
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
  })
  const each = files
    .map((name) => resolve(ROOT, name))
    .sort()
    .map((path) => `${path} ${hash('sha256', readFileSync(path))}`)
  return hash('sha256', each.join('\n')).slice(0, 16)
}

/** Elsewhere first: two runs may begin together, and one may be interrupted. */
function build(directory: string, digest: string): void {
  const part = `${directory}.${process.pid}`
  try {
    make(part)
    if (digestOfSources() !== digest) throw new Error('the sources changed while they were built')
    renameSync(part, directory)
  } catch (error) {
    // Another run was faster: it has made the same.
    if (!existsSync(directory)) throw error
  } finally {
    rmSync(part, { recursive: true, force: true })
  }
}

/** A package without its texts: where there is no src/, the launcher starts dist/. */
function make(directory: string): void {
  mkdirSync(directory, { recursive: true })
  for (const name of ['bin', 'package.json']) {
    cpSync(join(ROOT, name), join(directory, name), { recursive: true })
  }
  for (const name of ['native', 'node_modules']) {
    symlinkSync(join(ROOT, name), join(directory, name))
  }
  const dist = join(directory, 'dist')
  const stdio = ['ignore', 'ignore', 'inherit'] as const
  execFileSync(process.execPath, [join(ROOT, 'build/bundle.ts'), dist], { stdio: [...stdio] })
  execFileSync('npm', ['run', '--silent', 'build:mark'], { cwd: directory, stdio: [...stdio] })
  execFileSync(process.execPath, [join(ROOT, 'build/compile-ahead.ts'), dist], {
    stdio: [...stdio],
  })
}

function removeOld(): void {
  for (const name of readdirSync(CACHE)) {
    const path = join(CACHE, name)
    const age = Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now())
    if (age > KEPT_MS) rmSync(path, { recursive: true, force: true })
  }
}
