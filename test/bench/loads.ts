/** The load tools, run on the load's core until they end by themselves; their figures, checked. */
import { resolve } from 'node:path'
import { LOAD_CORE, Proc } from './process.ts'
import { NAME, type Site } from './site.ts'

export interface Target {
  readonly address: string
  readonly port: number
}

export interface Load {
  readonly ops: number
  readonly bytes: number
  readonly errors: number
  readonly seconds: number
  readonly p50Us: number
  readonly p99Us: number
  readonly maxUs: number
  /** Of the generator's handshakes. */
  readonly resumed?: number
}

/** The work was not what was asked for: no figure comes out of it. */
export class InvalidRun extends Error {}

export type GeneratorMode = 'bulk' | 'connections' | 'pingpong' | 'handshakes'

export async function generate(
  site: Site,
  mode: GeneratorMode,
  { address, port }: Target,
  seconds: number,
  options: Readonly<Record<string, string | number>>,
): Promise<Load> {
  const flags = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)])
  const proc = new Proc(LOAD_CORE, {
    command: [
      site.generator.path,
      mode,
      ...['--to', `${address}:${port}`, '--from', site.clientsFrom],
      ...['--from-count', String(site.clients), '--seconds', String(seconds)],
      ...flags,
    ],
  })
  return checked(parseGenerator(await proc.finish()), mode)
}

/** HTTP/1.1. */
export async function wrk(
  site: Site,
  url: string,
  { address, port }: Target,
  seconds: number,
): Promise<Load> {
  const { protocol, pathname } = new URL(url)
  const proc = new Proc(LOAD_CORE, {
    command: [
      'wrk',
      ...['-t1', '-c64', `-d${seconds}s`, '--latency'],
      ...['-H', `Host: ${NAME}`, '-s', resolve(import.meta.dirname, 'generator/wrk.lua')],
      `${protocol}//${address}:${port}${pathname}`,
    ],
    env: { OPENSSL_CONF: site.opensslConf },
  })
  return checked(parseWrk(await proc.finish()), 'wrk')
}

/** HTTP/2, 8 connections of 16 streams. */
export async function h2load(
  site: Site,
  url: string,
  { address, port }: Target,
  seconds: number,
  options: readonly string[] = [],
): Promise<Load> {
  const { protocol, pathname } = new URL(url)
  const proc = new Proc(LOAD_CORE, {
    command: [
      'h2load',
      ...['-t1', '-c8', '-m16', '-D', String(seconds)],
      ...['--tls13-ciphers=TLS_AES_128_GCM_SHA256', '--groups=X25519'],
      ...[`--connect-to=${address}:${port}`, ...options],
      `${protocol}//${NAME}:${port}${pathname}`,
    ],
    env: { OPENSSL_CONF: site.opensslConf },
  })
  return checked(parseH2load(await proc.finish()), 'h2load')
}

function checked(load: Load | string, what: string): Load {
  if (typeof load === 'string') throw new InvalidRun(`${what} gave no result:\n${load}`)
  if (load.errors > 0) throw new InvalidRun(`${what}: ${load.errors} errors of ${load.ops}`)
  if (load.ops === 0 || load.seconds === 0) throw new InvalidRun(`${what}: nothing was done`)
  return load
}

/** The text itself when there is no result in it. */
export function parseGenerator(text: string): Load | string {
  const line = text.split('\n').find((one) => one.startsWith('{'))
  return line === undefined ? text : (JSON.parse(line) as Load)
}

export function parseWrk(text: string): Load | string {
  const line = /^result (\{.*\})$/m.exec(text)?.[1]
  return line === undefined ? text : (JSON.parse(line) as Load)
}

export function parseH2load(text: string): Load | string {
  const seconds = /^finished in ([\d.]+)(us|ms|s),/m.exec(text)
  const requests =
    /^requests: \d+ total, \d+ started, \d+ done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout/m.exec(
      text,
    )
  const status = /^status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx/m.exec(text)
  const data = /, [\d.]+[KMG]?B \((\d+)\) data$/m.exec(text)
  const [, max, mean] =
    /^time for request: +\S+ +(\S+) +(\S+)/m.exec(text)?.map((field) => field) ?? []
  if (seconds === null || requests === null || status === null || data === null) return text
  const count = (match: RegExpExecArray, group: number): number => Number(match[group] ?? 0)
  return {
    ops: count(requests, 1),
    bytes: count(data, 1),
    errors: [2, 3, 4].reduce((sum, group) => sum + count(requests, group), 0),
    seconds: Number(seconds[1]) * (UNIT_SECONDS[seconds[2] ?? ''] ?? 1),
    p50Us: microseconds(mean),
    p99Us: Number.NaN,
    maxUs: microseconds(max),
  }
}

const UNIT_SECONDS: Readonly<Record<string, number>> = { us: 1e-6, ms: 1e-3, s: 1 }

function microseconds(text = ''): number {
  const match = /^([\d.]+)(us|ms|s)$/.exec(text)
  return match === null ? Number.NaN : Number(match[1]) * (UNIT_SECONDS[match[2] ?? ''] ?? 1) * 1e6
}
