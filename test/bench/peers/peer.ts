/** A proxy that takes part: how it is told to do a service, and how it is started. */
import { execFileSync, spawnSync } from 'node:child_process'
import type { Launch } from '../process.ts'
import type { Service, Site } from '../site.ts'

export interface Peer {
  /** The column's head, and how goals name it. */
  readonly name: string
  /** A variant of gwproxy. */
  readonly isOurs?: boolean
  /** Compiled before it runs: warm with its first pages. */
  readonly isCompiled?: boolean
  /** The program and its version; undefined: not installed here. */
  version(): string | undefined
  readonly services: readonly Service[]
  /** Writes the configuration for one service at `address` into `directory`. */
  launch(request: LaunchRequest): Launch
  /** With manifests that the row wrote: gwproxy alone can. */
  launchWith?(request: Pick<LaunchRequest, 'address' | 'directory'>, config: string): Launch
  /** As an installed package does it, without sources. */
  packed?(site: Site): Peer
  /** While it runs: a change of its configuration, live when the promise resolves. */
  change?(request: LaunchRequest): void
}

export interface LaunchRequest {
  readonly site: Site
  readonly service: Service
  /** Listens here, on the service's port. */
  readonly address: string
  readonly directory: string
  /** 1: gwproxy's main process does the work itself. */
  readonly workers?: number
}

/** The first line that the program says of itself; undefined: it cannot be run. */
export function versionOf(program: string, ...argument: readonly string[]): string | undefined {
  const { error, stdout, stderr } = spawnSync(program, argument, { encoding: 'utf8' })
  if (error !== undefined) return undefined
  return `${stdout}${stderr}`.trim().split('\n')[0]
}

export function commitOf(directory: string): string {
  try {
    return execFileSync('git', ['-C', directory, 'describe', '--always', '--dirty'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim()
  } catch {
    return 'no commit'
  }
}
