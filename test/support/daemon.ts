/**
 * A whole gwproxy for end-to-end tests: the real launcher, a scratch directory of manifests, an
 * own loopback address, so that real port numbers never collide.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import type { Socket as DatagramSocket } from 'node:dgram'
import { subscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { chownSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import type { Server } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { after } from 'node:test'
import { AdminClient } from '../../src/control/admin/client.ts'
import type { ReloadReport } from '../../src/control/admin/contract.ts'
import { LAUNCHER } from './launcher.ts'

export type LogLine = Readonly<Record<string, unknown>>

export interface DaemonOptions {
  /** File name below the config directory -> text. `{address}` stands for the test's own address. */
  readonly files: Readonly<Record<string, string>>
  readonly workers?: number | 'auto'
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** The command and its first arguments; the checkout's own launcher by default. */
  readonly launcher?: readonly [string, ...string[]]
  /** Whose the scratch directory is; ours by default. */
  readonly uid?: number
  /** Descriptors that are passed as systemd passes sockets; LISTEN_FDNAMES is in `env`. */
  readonly passed?: readonly number[]
  /** `--log`: then `line` and `lines` know access lines only. */
  readonly log?: string
  /** How the settings below reach the daemon; `env` can replace variables, not flags. */
  readonly settings?: 'flags' | 'variables'
}

export interface Daemon {
  readonly address: string
  readonly directory: string
  readonly configDir: string
  readonly pid: number
  readonly admin: AdminClient
  readonly lines: readonly LogLine[]
  /** Writes by atomic rename; undefined removes. */
  write(files: Readonly<Record<string, string | undefined>>): void
  /** Writes, then waits until the edit serves. */
  apply(files: Readonly<Record<string, string | undefined>>): Promise<ReloadReport>
  reload(): Promise<ReloadReport>
  /** The first line, past or future, that fits. */
  line(fits: (line: LogLine) => boolean, what?: string): Promise<LogLine>
  signal(signal: NodeJS.Signals): void
  /** The exit code. */
  readonly exited: Promise<number>
  stop(): Promise<number>
}

/** Daemons of this file's tests that have not ended: a failed test leaves its own behind. */
const running = new Set<ChildProcess>()
/** What this process has opened: a `before` that fails leaves it open, and the file would not end. */
const opened = new Set<{ unref(): unknown }>()
subscribe('tracing:net.server.listen:asyncStart', (event) => {
  opened.add((event as { readonly server: Server }).server)
})
subscribe('udp.socket', (event) => {
  opened.add((event as { readonly socket: DatagramSocket }).socket)
})
after(() => {
  for (const child of running) child.kill('SIGKILL')
  for (const server of opened) server.unref()
})

let counter = Math.floor(Math.random() * 200)

/** An address of 127/8 that no other test of this machine is likely to have. */
export function ownAddress(): string {
  counter += 1
  return `127.${77 + (process.pid % 100)}.${1 + (Math.floor(process.pid / 100) % 250)}.${1 + (counter % 250)}`
}

export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const address = ownAddress()
  const directory = mkdtempSync(join(tmpdir(), 'gwproxy-test-'))
  const configDir = join(directory, 'config')
  mkdirSync(configDir)
  const write = (files: Readonly<Record<string, string | undefined>>): void => {
    for (const [name, text] of Object.entries(files)) {
      const path = join(configDir, name)
      if (text === undefined) rmSync(path)
      else {
        mkdirSync(dirname(path), { recursive: true })
        writeFileSync(`${path}.tmp`, text.replaceAll('{address}', address))
        renameSync(`${path}.tmp`, path)
      }
    }
  }
  write(options.files)
  if (options.uid !== undefined) chownSync(directory, options.uid, options.uid)

  const socket = join(directory, 'admin.sock')
  const settings = {
    config: configDir,
    admin: `unix:${socket}`,
    metrics: 'off',
    workers: String(options.workers ?? 0),
    'log-format': 'json',
    ...(options.log !== undefined && { log: options.log }),
  }
  const byVariables = options.settings === 'variables'
  const { passed = [], launcher = [LAUNCHER] } = options
  const [program, ...first] =
    passed.length === 0
      ? launcher
      : (['sh', '-c', 'LISTEN_PID=$$ exec "$@"', 'sh', ...launcher] as const)
  const flags = byVariables ? [] : flagsOf(settings)
  const child = spawn(program, [...first, 'run', ...flags, ...(options.args ?? [])], {
    stdio: ['ignore', 'pipe', 'pipe', ...passed, 'ipc'],
    env: {
      ...process.env,
      ...(byVariables ? variablesOf(settings) : {}),
      ...(passed.length === 0 ? {} : { LISTEN_FDS: String(passed.length) }),
      ...options.env,
    },
  })
  running.add(child)
  const log = new Log(child)
  const exited = once(child, 'exit').then(([code, signal]) => {
    running.delete(child)
    rmSync(directory, { recursive: true, force: true })
    return typeof code === 'number' ? code : signal === null ? -1 : 128
  })
  await Promise.race([
    // The word and the log come by different ways: tests may rely on both.
    Promise.all([
      once(child, 'message'),
      options.log === undefined && log.line(isReady, 'the line that says ready'),
    ]),
    exited.then((code) => {
      throw new Error(`gwproxy ended with ${code} before it was ready:\n${log.text}`)
    }),
  ])
  const admin = new AdminClient({ kind: 'unix', path: socket })
  const reload = (): Promise<ReloadReport> => admin.post<ReloadReport>('/reload')
  return {
    address,
    directory,
    configDir,
    pid: child.pid ?? 0,
    admin,
    lines: log.lines,
    write,
    apply: (files) => {
      write(files)
      return reload()
    },
    reload,
    line: (fits, what) => log.line(fits, what),
    signal: (signal) => void child.kill(signal),
    exited,
    stop: () => {
      child.kill('SIGTERM')
      return exited
    },
  }
}

/** As JSON or, with `--log-format pretty`, as text. */
function isReady({ msg, text }: LogLine): boolean {
  return msg === 'ready' || / ready /.test(String(text))
}

type Settings = Readonly<Record<string, string>>

function flagsOf(settings: Settings): string[] {
  return Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value])
}

function variablesOf(settings: Settings): Record<string, string> {
  return Object.fromEntries(
    Object.entries(settings).map(([name, value]) => [
      `GWPROXY_${name.toUpperCase().replaceAll('-', '_')}`,
      value,
    ]),
  )
}

/** For a line: `fail` when none can come any more. */
interface Waiting {
  check(line: LogLine): void
  fail(): void
}

class Log {
  readonly lines: LogLine[] = []
  readonly #waiting = new Set<Waiting>()
  #hasEnded = false
  #raw = ''

  constructor(child: ChildProcess) {
    for (const stream of [child.stdout, child.stderr]) {
      if (stream === null) continue
      createInterface(stream).on('line', (text) => this.#add(text))
    }
    // Later: whoever waits for the end itself hears of it first.
    child.once('close', () => setImmediate(() => this.#end()))
  }

  get text(): string {
    return this.#raw
  }

  line(fits: (line: LogLine) => boolean, what = 'a log line'): Promise<LogLine> {
    const past = this.lines.find(fits)
    if (past !== undefined) return Promise.resolve(past)
    return new Promise((resolve, reject) => {
      const fail = (): void => {
        clearTimeout(limit)
        this.#waiting.delete(waiting)
        reject(new Error(`${what} did not come:\n${this.#raw}`))
      }
      const check = (line: LogLine): void => {
        if (!fits(line)) return
        clearTimeout(limit)
        this.#waiting.delete(waiting)
        resolve(line)
      }
      const waiting: Waiting = { check, fail }
      this.#waiting.add(waiting)
      // A bound for a line that never comes, not a means to wait.
      const limit = setTimeout(fail, 20_000)
      if (this.#hasEnded) fail()
    })
  }

  #end(): void {
    this.#hasEnded = true
    for (const { fail } of this.#waiting) fail()
  }

  #add(text: string): void {
    this.#raw += `${text}\n`
    let line: LogLine
    try {
      line = JSON.parse(text) as LogLine
    } catch {
      line = { text }
    }
    this.lines.push(line)
    for (const { check } of this.#waiting) check(line)
  }
}
