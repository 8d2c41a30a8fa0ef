/**
 * Everything `gwproxy run` can be told, with its defaults. The command line fills it; nothing
 * below reads flags or GWPROXY_* variables.
 */
import { join, resolve, sep } from 'node:path'
import { GwProxyError } from '../base/errors.ts'
import type { IoMode } from '../ipc/messages.ts'
import {
  type AccessLogSettings,
  DEFAULT_ACCESS_LOG,
  type LogTarget,
} from '../observe/access-log-settings.ts'
import { canonicalAddress } from '../match/target-address.ts'
import type { Endpoint } from '../model/upstream.ts'
import type { TranslateOptions } from '../translate/options.ts'
import {
  type AdminAddress,
  defaultAdminAddress,
  type Environment,
  firstDirectory,
  type MetricsAddress,
} from './admin/address.ts'
import type { ConfigThreadOptions } from './config-protocol.ts'
import { hasIpv6 } from './bind-tcp.ts'

export interface RunOptions {
  /** Directories (or files) of manifests; at least one. */
  readonly configDirs: readonly string[]
  /** 0: the data plane runs in the main process. */
  readonly workers: 'auto' | number
  readonly io: IoMode
  readonly admin: AdminAddress
  readonly metrics: MetricsAddress
  /** First-seen times, last good versions and transition times survive a restart here. */
  readonly stateDir: string | undefined
  /** One YAML file per object with its `.status`. */
  readonly statusDir: string | undefined
  /** CIDR from which Gateways without `spec.addresses` get an own address each. */
  readonly addressPool: string | undefined
  /** Empty: every class of ours. */
  readonly gatewayClasses: readonly string[]
  readonly controllerName: string
  /** `{name}.{namespace}.svc` and the like, for Services without a manifest. */
  readonly serviceDns: string | undefined
  readonly unknownFields: 'reject' | 'warn'
  /** Refuse to start while the configuration has problems. */
  readonly strict: boolean
  readonly drainTimeoutMs: number
  /** For the whole answer of an external auth service. */
  readonly authTimeoutMs: number
  /** Of what the daemon does. */
  readonly log: LogTarget
  readonly logLevel: string
  readonly logFormat: 'json' | 'pretty'
  /** undefined: none is written. */
  readonly accessLog: AccessLogSettings | undefined
  /** CIDRs of peers whose X-Forwarded-* are believed. */
  readonly trustedProxies: readonly string[]
  /** The client's entry of X-Forwarded-For, from the right; undefined: by the proxies' addresses. */
  readonly forwardedDepth: number | undefined
  /** The safety poll of the configuration directories, for mounts without events. */
  readonly pollIntervalMs: number
  /** Bearer token that an admin address other than a unix socket or loopback needs. */
  readonly adminToken: string | undefined
  /** Where systemd puts the files of LoadCredential=. */
  readonly credentialsDirectory: string | undefined
}

export const CONTROLLER_NAME = 'gwproxy.dev/gateway-controller'

/**
 * The defaults of `gwproxy run`. `environment` gives the admin token, and the directories that
 * systemd made for us (StateDirectory=, RuntimeDirectory=, LogsDirectory=, LoadCredential=).
 */
export function defaultRunOptions(environment: Environment = process.env): RunOptions {
  const logs = firstDirectory(environment['LOGS_DIRECTORY'])
  return {
    configDirs: ['/etc/gwproxy'],
    workers: 'auto',
    io: 'auto',
    admin: defaultAdminAddress(environment),
    metrics: { kind: 'tcp', host: '127.0.0.1', port: 9464 },
    stateDir: firstDirectory(environment['STATE_DIRECTORY']),
    statusDir: undefined,
    addressPool: undefined,
    gatewayClasses: [],
    controllerName: CONTROLLER_NAME,
    serviceDns: undefined,
    unknownFields: 'reject',
    strict: false,
    drainTimeoutMs: 8000,
    authTimeoutMs: 5000,
    log: 'stdout',
    logLevel: 'info',
    logFormat: 'json',
    accessLog:
      logs === undefined
        ? DEFAULT_ACCESS_LOG
        : { ...DEFAULT_ACCESS_LOG, target: { path: join(logs, 'access.log') } },
    trustedProxies: [],
    forwardedDepth: undefined,
    pollIntervalMs: 10_000,
    adminToken: environment['GWPROXY_ADMIN_TOKEN'] || undefined,
    credentialsDirectory: environment['CREDENTIALS_DIRECTORY'] || undefined,
  }
}

/** What of it the config thread reads by. */
export function configOptions(options: RunOptions): ConfigThreadOptions {
  const { configDirs, unknownFields, stateDir, credentialsDirectory } = options
  return {
    roots: configDirs,
    unknownFields,
    ...(stateDir !== undefined && { stateDir }),
    ...(credentialsDirectory !== undefined && { credentialsDirectory }),
    pollIntervalMs: options.pollIntervalMs,
    events: true,
    translate: translateOptionsOf(options),
  }
}

/** What of it the config thread and `check` translate by. */
export function translateOptionsOf(options: RunOptions): Omit<TranslateOptions, 'now'> {
  const { controllerName, gatewayClasses, addressPool, serviceDns } = options
  return {
    controllerName,
    gatewayClasses,
    ...(addressPool !== undefined && { addressPool }),
    ...(serviceDns !== undefined && { serviceDns }),
    ownEndpoints: [options.admin, options.metrics].flatMap(endpointsOf),
    hasIpv6: hasIpv6(),
  }
}

function endpointsOf(address: AdminAddress): readonly Endpoint[] {
  switch (address.kind) {
    case 'off':
      return []
    case 'unix':
      return [{ kind: 'unix', path: resolve(address.path) }]
    case 'tcp': {
      const { host, port } = address
      const hosts = host === 'localhost' ? ['127.0.0.1', '::1'] : [canonicalAddress(host) ?? host]
      return hosts.map((one) => ({ kind: 'ip', address: one, port }))
    }
  }
}

/**
 * What gwproxy writes must not come back to it as configuration.
 * @throws GwProxyError GWP_OPTION_INVALID
 */
export function checkOptions(options: RunOptions): void {
  const { configDirs, stateDir, statusDir, log, accessLog } = options
  for (const [option, directory] of [
    ['--state-dir', stateDir],
    ['--status-dir', statusDir],
    ['--log', pathOf(log)],
    ['--access-log', pathOf(accessLog?.target)],
  ] as const) {
    if (directory === undefined) continue
    const path = resolve(directory)
    const inside = configDirs.find((root) => `${path}${sep}`.startsWith(`${resolve(root)}${sep}`))
    if (inside === undefined) continue
    throw new GwProxyError(
      'GWP_OPTION_INVALID',
      `${option} ${directory} lies inside the configuration directory ${inside}: choose a place outside`,
    )
  }
}

/** undefined: it is no file. */
export function pathOf(target: LogTarget | undefined): string | undefined {
  return target === undefined || target === 'stdout' ? undefined : target.path
}
