/**
 * Processes on a core of their own, and what they cost: CPU time and memory of a process with all
 * its threads and descendants, from /proc. Whatever was started is ended by its pid.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'

export const PROXY_CORE = 0
export const LOAD_CORE = 1

export interface Launch {
  readonly command: readonly [string, ...string[]]
  readonly env?: Readonly<Record<string, string>>
  /** Of the working directory; the bench's own by default. */
  readonly cwd?: string
}

/** This process asks too (rows/prober.ts), and would do it on the proxies' core as well. */
export function stayOnLoadCore(): void {
  execFileSync('taskset', ['-a', '-cp', String(LOAD_CORE), String(process.pid)], { stdio: 'pipe' })
}

export class Proc {
  readonly #child: ChildProcess
  readonly #exited: Promise<unknown>
  readonly #name: string
  #output = ''
  #isEnded = false

  constructor(core: number, { command, env, cwd }: Launch) {
    this.#name = command[0]
    this.#child = spawn('taskset', ['-c', String(core), ...command], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
      ...(cwd !== undefined && { cwd }),
    })
    running.add(this)
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output = (this.#output + text).slice(-64 * 1024)
      })
    }
    this.#exited = once(this.#child, 'exit').then(() => {
      this.#isEnded = true
      running.delete(this)
    })
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  get isEnded(): boolean {
    return this.#isEnded
  }

  /** The last 64 KiB that it wrote. */
  get output(): string {
    return this.#output
  }

  /** Polls, for at most `limitMs`; throws with the output when it ends before, or never holds. */
  async until(holds: () => boolean | Promise<boolean>, limitMs = 20_000): Promise<void> {
    const end = performance.now() + limitMs
    while (!(await holds())) {
      if (this.#isEnded) throw new Error(`${this.#name} ended:\n${this.#output}`)
      if (performance.now() > end) throw new Error(`${this.#name} is not ready:\n${this.#output}`)
      await pause(2)
    }
  }

  /** Ends its input, and resolves with what it wrote once it has ended by itself. */
  async finish(): Promise<string> {
    this.#child.stdin?.end()
    await this.#exited
    return this.#output
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  async stop(): Promise<void> {
    if (this.#isEnded) return
    const hurry = setTimeout(() => this.kill(), 3000)
    this.#child.kill('SIGTERM')
    await this.#exited
    clearTimeout(hurry)
  }

  /** At once, with its descendants. */
  kill(): void {
    if (this.#isEnded) return
    for (const pid of [...descendants(this.pid), this.pid]) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It ended by itself meanwhile.
      }
    }
  }
}

const running = new Set<Proc>()
process.on('exit', () => {
  for (const proc of running) proc.kill()
})

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** USER_HZ, which Linux fixes at 100 for every architecture that we run on. */
const TICKS_PER_SECOND = 100

/** Seconds of user and system time that `pid` and its descendants, ended ones included, have used. */
export function cpuSeconds(pid: number): number {
  const ticks = [pid, ...descendants(pid)].map((one) => parseStat(readStat(one)).ticks)
  return ticks.reduce((sum, own) => sum + own, 0) / TICKS_PER_SECOND
}

/** Seconds that `core` has spent on whatever: user, system, interrupts, and what the host took. */
export function coreSeconds(core: number): number {
  return parseCore(readProc('stat'), core) / TICKS_PER_SECOND
}

/** Ticks of /proc/stat without those of idle and of waiting for disks. */
export function parseCore(text: string, core: number): number {
  const line = new RegExp(`^cpu${core} (.*)$`, 'm').exec(text)?.[1] ?? ''
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = line
    .split(' ')
    .map(Number)
  return user + nice + system + irq + softirq + steal
}

/** Proportional set size of `pid` and its descendants. KiB. */
export function pssKib(pid: number): number {
  return [pid, ...descendants(pid)]
    .map((one) => /^Pss:\s+(\d+) kB/m.exec(readProc(`${one}/smaps_rollup`))?.[1] ?? '0')
    .reduce((sum, own) => sum + Number(own), 0)
}

function descendants(root: number): number[] {
  const parents = new Map<number, number>()
  for (const name of readdirSync('/proc')) {
    if (/^\d+$/.test(name)) parents.set(Number(name), parseStat(readStat(Number(name))).parent)
  }
  const found: number[] = []
  for (let level = [root]; level.length > 0; ) {
    level = [...parents].filter(([, parent]) => level.includes(parent)).map(([pid]) => pid)
    found.push(...level)
  }
  return found
}

export interface Stat {
  readonly parent: number
  /** utime + stime + those of children that were waited for. */
  readonly ticks: number
}

/** Of /proc/PID/stat; the command's name in it may hold blanks and parentheses. */
export function parseStat(text: string): Stat {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0)
  return { parent: Number(fields[1] ?? 0), ticks }
}

function readStat(pid: number): string {
  return readProc(`${pid}/stat`)
}

/** Empty when the process has just ended. */
function readProc(name: string): string {
  try {
    return readFileSync(`/proc/${name}`, 'utf8')
  } catch {
    return ''
  }
}
