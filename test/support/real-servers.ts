/**
 * Servers that nobody here wrote, as backends: nginx, HAProxy, socat. Each has an address of the
 * test's own, so that its ports are free, and ends with the test.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  accessSync,
  constants,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { until } from './until.ts'

/** Programs and the Debian packages that bring them; .ci/run installs these. */
const PACKAGES = {
  nginx: 'nginx-light',
  haproxy: 'haproxy',
  socat: 'socat',
  chromium: 'chromium',
  promtool: 'prometheus',
  h2load: 'nghttp2-client',
  nghttp: 'nghttp2-client',
} as const

export type Program = keyof typeof PACKAGES

/** For `skip` of node:test: false when all are there. Where CI is set a missing one is a failure. */
export function missing(...programs: readonly Program[]): string | false {
  const absent = programs.filter((program) => pathOf(program) === undefined)
  if (absent.length === 0) return false
  const words = `needs ${absent.join(', ')}: apt-get install ${absent.map((name) => PACKAGES[name]).join(' ')}`
  assert.equal(process.env['CI'] ?? '', '', words)
  return words
}

/** Daemons live in sbin, which is not in everybody's PATH. */
function pathOf(program: Program): string | undefined {
  const directories = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/usr/local/sbin']
  return directories.map((directory) => join(directory, program)).find(isExecutable)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

export interface RealServer {
  /** Resolves when a file in its directory has this text. */
  wrote(name: string, text: string): Promise<void>
  close(): Promise<void>
}

/** All that were started and not closed: a failed test leaves its own behind. */
const running = new Set<ChildProcess>()
after(() => {
  for (const child of running) child.kill('SIGKILL')
})

interface Files {
  /** Name below the server's own directory -> text. */
  readonly [name: string]: string
}

/** `config(directory)` is nginx.conf without its outermost settings. Resolves when the port accepts. */
export async function startNginx(
  address: string,
  port: number,
  http: string,
  files: Files,
): Promise<RealServer> {
  const config = `
    daemon off; master_process off; pid nginx.pid; error_log stderr crit;
    events { worker_connections 512; }
    http {
      access_log off; client_max_body_size 0;
      client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
      uwsgi_temp_path uwsgi; scgi_temp_path scgi;
      ${http}
    }`
  const directory = scratch({ ...files, 'nginx.conf': config })
  const args = ['-p', directory, '-c', 'nginx.conf', '-e', 'stderr']
  return start('nginx', args, directory, () => accepts(address, port))
}

export async function startHaproxy(
  address: string,
  port: number,
  sections: string,
  files: Files,
): Promise<RealServer> {
  const config = `
defaults
  mode http
  timeout connect 20s
  timeout client 60s
  timeout server 60s
${sections}
`
  const directory = scratch({ ...files, 'haproxy.cfg': config })
  const args = ['-db', '-q', '-C', directory, '-f', 'haproxy.cfg']
  return start('haproxy', args, directory, () => accepts(address, port))
}

/** Connects each TCP connection to this address of socat's, in a directory of its own. */
export function startSocat(
  address: string,
  port: number,
  server: string,
  files: Files = {},
): Promise<RealServer> {
  const listen = `TCP-LISTEN:${port},bind=${address},fork,reuseaddr`
  return start('socat', ['-t', '60', listen, server], scratch(files), () => accepts(address, port))
}

/** Starts this address of socat's for each datagram, and sends back what it says. */
export function startSocatUdp(address: string, port: number, server: string): Promise<RealServer> {
  const receive = `UDP-RECVFROM:${port},bind=${address},fork`
  return start('socat', ['-t', '60', receive, server], scratch({}), () => isUdpBound(address, port))
}

function scratch(files: Files): string {
  const directory = mkdtempSync(join(tmpdir(), 'gwproxy-server-'))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text)
  return directory
}

async function start(
  program: Program,
  args: readonly string[],
  directory: string,
  isReady: () => Promise<boolean>,
): Promise<RealServer> {
  const child = spawn(pathOf(program) ?? program, args, {
    cwd: directory,
    stdio: ['ignore', 'inherit', 'pipe'],
  })
  running.add(child)
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  const exited = once(child, 'exit').then(([code]) => {
    running.delete(child)
    rmSync(directory, { recursive: true, force: true })
    return code as number | null
  })
  let over = false
  void exited.then(() => {
    over = true
  })
  while (!(await isReady())) {
    assert.ok(!over, `${program} ended before it listened:\n${said}`)
  }
  return {
    wrote: (name, text) => {
      const path = join(directory, name)
      const has = () => (existsSync(path) ? readFileSync(path, 'utf8') : '')
      return until(
        () => has() === text,
        () => `${name} has: ${has()}`,
      )
    },
    close: async () => {
      child.kill('SIGKILL')
      await exited
    },
  }
}

async function accepts(address: string, port: number): Promise<boolean> {
  const socket = connect(port, address)
  const accepted = await new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(true))
    socket.once('error', () => resolve(false))
  })
  socket.destroy()
  if (!accepted) await delay(20)
  return accepted
}

/** By the table of proc(5), in the machine's byte order: a bind of ours would race with the server's. */
async function isUdpBound(address: string, port: number): Promise<boolean> {
  const [word = 0] = new Uint32Array(Uint8Array.from(address.split('.').map(Number)).buffer)
  const hex = (value: number, digits: number) =>
    value.toString(16).toUpperCase().padStart(digits, '0')
  const isBound = readFileSync('/proc/net/udp', 'utf8').includes(
    ` ${hex(word, 8)}:${hex(port, 4)} `,
  )
  if (!isBound) await delay(20)
  return isBound
}
