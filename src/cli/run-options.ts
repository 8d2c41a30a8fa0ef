/**
 * The flags of `gwproxy run`, each with its GWPROXY_* variable, and their way into RunOptions.
 * A flag beats its variable, a variable beats the default.
 */
import { isIP } from 'node:net'
import { resolve } from 'node:path'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { GwProxyError, messageOf } from '../base/errors.ts'
import { addressText, parseAdminAddress, parseMetricsAddress } from '../control/admin/address.ts'
import { defaultRunOptions, type RunOptions } from '../control/options.ts'
import type { IoMode } from '../ipc/messages.ts'
import {
  type AccessLogSettings,
  DEFAULT_ACCESS_LOG,
  parseSkipRule,
  type SkipRule,
} from '../observe/access-log-settings.ts'

/** What commander gives for the options below. */
export interface RunFlags {
  readonly config?: readonly string[]
  readonly workers?: 'auto' | number
  readonly io?: IoMode
  readonly admin?: RunOptions['admin']
  readonly metrics?: RunOptions['metrics']
  readonly stateDir?: string
  readonly statusDir?: string
  readonly addressPool?: string
  readonly gatewayClass?: readonly string[]
  readonly controllerName?: string
  readonly serviceDns?: string
  readonly unknownFields?: 'reject' | 'warn'
  readonly strict?: boolean
  readonly drainTimeout?: number
  readonly authTimeout?: number
  readonly log?: RunOptions['log']
  readonly logLevel?: string
  readonly logFormat?: 'json' | 'pretty'
  /** false: --no-access-log. */
  readonly accessLog?: false | AccessLogSettings['target'] | 'off'
  readonly accessLogFormat?: AccessLogSettings['format']
  readonly accessLogSample?: number
  readonly accessLogSkip?: readonly SkipRule[]
  readonly trustedProxy?: readonly string[]
  readonly forwardedForDepth?: number
  readonly pollInterval?: number
}

const IO_MODES = ['auto', 'native', 'raw', 'streams'] as const satisfies readonly IoMode[]
const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']

/** Flags that `run` and `check` share, since both translate. */
export function addTranslateFlags(command: Command): Command {
  const defaults = defaultRunOptions()
  return command
    .addOption(
      option(
        'config',
        '--config <dir>',
        `directory of manifests, repeatable (default: ${defaults.configDirs.join(', ')})`,
      ).argParser(collect),
    )
    .addOption(
      option(
        'gateway-class',
        '--gateway-class <name>',
        'serve only Gateways of this class, repeatable',
      ).argParser(collect),
    )
    .addOption(
      option(
        'controller-name',
        '--controller-name <name>',
        'our name in GatewayClass.spec.controllerName',
      ).default(defaults.controllerName),
    )
    .addOption(
      option(
        'service-dns',
        '--service-dns <template>',
        'name of a Service that no manifest declares: {name}, {namespace} (compose: "{name}")',
      ).argParser(parseTemplate),
    )
    .addOption(
      option(
        'address-pool',
        '--address-pool <cidr>',
        'an own address for each Gateway without spec.addresses',
      ).argParser(parseRange),
    )
    .addOption(
      option(
        'unknown-fields',
        '--unknown-fields <mode>',
        'reject an object with unknown fields, or warn',
      )
        .choices(['reject', 'warn'])
        .default(defaults.unknownFields),
    )
}

export function addAdminFlag(command: Command): Command {
  const { admin } = defaultRunOptions()
  return command.addOption(
    option(
      'admin',
      '--admin <address>',
      `admin interface: unix:PATH, HOST:PORT or off (default: ${addressText(admin)})`,
    ).argParser(usage(parseAdminAddress)),
  )
}

export function addRunFlags(command: Command): Command {
  const defaults = defaultRunOptions()
  addAdminFlag(addTranslateFlags(command))
    .addOption(
      option('workers', '--workers <n|auto>', 'worker processes; 0 serves from the main process')
        .argParser(parseWorkers)
        .default(defaults.workers),
    )
    .addOption(
      option(
        'io',
        '--io <backend>',
        "what moves the bytes of connections: native (built by `npm run build:native`), raw (Node's own TCP handles), streams, or the fastest that works here",
      )
        .choices(IO_MODES)
        .default(defaults.io),
    )
    .addOption(
      option(
        'metrics',
        '--metrics <address>',
        `read-only /metrics, /livez, /readyz: HOST:PORT or off (default: ${addressText(defaults.metrics)})`,
      ).argParser(usage(parseMetricsAddress)),
    )
    .addOption(
      option(
        'state-dir',
        '--state-dir <dir>',
        "keeps ages, last good versions and times over restarts (default: systemd's StateDirectory)",
      ),
    )
    .addOption(
      option(
        'status-dir',
        '--status-dir <dir>',
        'writes every object with its status, one YAML file each',
      ),
    )
    .addOption(option('strict', '--strict', 'refuse to start while the configuration has problems'))
    .addOption(
      option(
        'drain-timeout',
        '--drain-timeout <duration>',
        'how long running work may go on after SIGTERM',
      )
        .argParser(parseSeconds)
        .default(defaults.drainTimeoutMs, `${defaults.drainTimeoutMs / 1000}s`),
    )
    .addOption(
      option(
        'auth-timeout',
        '--auth-timeout <duration>',
        'how long an external auth service may take for its answer',
      )
        .argParser(parseInterval)
        .default(defaults.authTimeoutMs, `${defaults.authTimeoutMs / 1000}s`),
    )
    .addOption(
      option(
        'trusted-proxy',
        '--trusted-proxy <cidr>',
        'peer whose X-Forwarded-* is believed, repeatable',
      ).argParser(collectRanges),
    )
    .addOption(
      option(
        'forwarded-for-depth',
        '--forwarded-for-depth <n>',
        'of a trusted proxy: the client is the n-th of X-Forwarded-For from the right (default: the first that is no trusted proxy)',
      ).argParser(parseDepth),
    )
    .addOption(
      option(
        'poll-interval',
        '--poll-interval <duration>',
        'safety poll of the files, for mounts without events',
      )
        .argParser(parseInterval)
        .default(defaults.pollIntervalMs, `${defaults.pollIntervalMs / 1000}s`),
    )
    .addOption(
      option(
        'log',
        '--log <target>',
        'what the daemon does: stdout, or a file, opened anew on SIGUSR1 (default: stdout)',
      ).argParser(parseLogTarget),
    )
    .addOption(
      option('log-level', '--log-level <level>', 'least severe log line')
        .choices(LOG_LEVELS)
        .default(defaults.logLevel),
    )
    .addOption(
      option(
        'log-format',
        '--log-format <format>',
        'json, or pretty for people (the default on a terminal)',
      ).choices(['json', 'pretty']),
    )
  return addAccessLogFlags(command)
}

function addAccessLogFlags(command: Command): Command {
  return command
    .addOption(
      option(
        'access-log',
        '--access-log <target>',
        "a line per connection and exchange: stdout, off, or a file, opened anew on SIGUSR1 (default: stdout, or access.log in systemd's LogsDirectory)",
      ).argParser(parseAccessLog),
    )
    .addOption(
      new Option('--no-access-log', 'the same as --access-log off').env('GWPROXY_NO_ACCESS_LOG'),
    )
    .addOption(
      option(
        'access-log-format',
        '--access-log-format <format>',
        'json, or text: the combined format with our facts behind it (default: json)',
      ).choices(['json', 'text']),
    )
    .addOption(
      option(
        'access-log-sample',
        '--access-log-sample <share>',
        'share of the lines of good ends, 0 to 1; failures are always written (default: 1)',
      ).argParser(parseShare),
    )
    .addOption(
      option(
        'access-log-skip',
        '--access-log-skip <field=value>',
        'leave lines out by a field, such as path=/healthz or user-agent=kube-probe*, repeatable',
      ).argParser(collectSkipRules),
    )
}

/** Flags over defaults; `pretty` logs when standard output is a terminal. */
export function runOptionsOf(flags: RunFlags): RunOptions {
  const defaults = defaultRunOptions()
  return {
    ...defaults,
    configDirs: flags.config ?? defaults.configDirs,
    workers: flags.workers ?? defaults.workers,
    io: flags.io ?? defaults.io,
    admin: flags.admin ?? defaults.admin,
    metrics: flags.metrics ?? defaults.metrics,
    stateDir: flags.stateDir ?? defaults.stateDir,
    statusDir: flags.statusDir,
    addressPool: flags.addressPool,
    gatewayClasses: flags.gatewayClass ?? defaults.gatewayClasses,
    controllerName: flags.controllerName ?? defaults.controllerName,
    serviceDns: flags.serviceDns,
    unknownFields: flags.unknownFields ?? defaults.unknownFields,
    strict: flags.strict ?? defaults.strict,
    drainTimeoutMs: flags.drainTimeout ?? defaults.drainTimeoutMs,
    authTimeoutMs: flags.authTimeout ?? defaults.authTimeoutMs,
    log: flags.log ?? defaults.log,
    logLevel: flags.logLevel ?? defaults.logLevel,
    logFormat: flags.logFormat ?? (isForTerminal(flags) ? 'pretty' : defaults.logFormat),
    accessLog: accessLogOf(flags, defaults.accessLog?.target),
    trustedProxies: flags.trustedProxy ?? defaults.trustedProxies,
    forwardedDepth: flags.forwardedForDepth,
    pollIntervalMs: flags.pollInterval ?? defaults.pollIntervalMs,
  }
}

function isForTerminal({ log = 'stdout' }: RunFlags): boolean {
  return log === 'stdout' && process.stdout.isTTY
}

function accessLogOf(
  flags: RunFlags,
  usual: AccessLogSettings['target'] = DEFAULT_ACCESS_LOG.target,
): AccessLogSettings | undefined {
  const { accessLog = usual } = flags
  if (accessLog === false || accessLog === 'off') return undefined
  return {
    target: accessLog,
    format: flags.accessLogFormat ?? DEFAULT_ACCESS_LOG.format,
    sample: flags.accessLogSample ?? DEFAULT_ACCESS_LOG.sample,
    skip: flags.accessLogSkip ?? DEFAULT_ACCESS_LOG.skip,
  }
}

/** Flags without a value, and what a variable may say for "not set". */
const SWITCHES: ReadonlySet<string> = new Set(['GWPROXY_STRICT', 'GWPROXY_NO_ACCESS_LOG'])
const OFF = /^(?:0|false|no|off)$/i

/**
 * Takes variables that say nothing out of the environment, before anything reads it: empty ones,
 * which Compose and systemd write for unset values, and switches that are off.
 */
export function dropUnsetVariables(environment: Record<string, string | undefined>): void {
  for (const [name, value] of Object.entries(environment)) {
    if (!name.startsWith('GWPROXY_')) continue
    if (value === '' || (SWITCHES.has(name) && OFF.test(value ?? ''))) delete environment[name]
  }
}

function option(name: string, flags: string, description: string): Option {
  return new Option(flags, description).env(`GWPROXY_${name.toUpperCase().replaceAll('-', '_')}`)
}

/** Repeatable, and comma-separated for the variables' sake. */
function collect(value: string, previous: readonly string[] | undefined): readonly string[] {
  return [...(previous ?? []), ...value.split(',').filter((part) => part !== '')]
}

/** A parser's GwProxyError as commander's usage error. */
function usage<T>(parse: (text: string) => T): (text: string) => T {
  return (text) => {
    try {
      return parse(text)
    } catch (error) {
      if (error instanceof GwProxyError) throw new InvalidArgumentError(messageOf(error))
      throw error
    }
  }
}

function parseWorkers(text: string): 'auto' | number {
  if (text === 'auto') return text
  const count = Number(text)
  if (!/^[0-9]{1,3}$/.test(text) || count > 256) {
    throw new InvalidArgumentError('expected auto or a number from 0 to 256.')
  }
  return count
}

function parseDepth(text: string): number {
  if (!/^[1-9][0-9]?$/.test(text)) throw new InvalidArgumentError('expected a number from 1 to 99.')
  return Number(text)
}

function collectRanges(value: string, previous: readonly string[] | undefined): readonly string[] {
  return collect(value, previous).map(parseRange)
}

/** An address, or a range of addresses as a CIDR. */
function parseRange(text: string): string {
  const [address = '', bits, ...rest] = text.split('/')
  const family = isIP(address)
  const isPrefix = bits === undefined || /^[0-9]{1,3}$/.test(bits)
  if (
    family === 0 ||
    !isPrefix ||
    Number(bits ?? 0) > (family === 6 ? 128 : 32) ||
    rest.length > 0
  ) {
    throw new InvalidArgumentError(`${text}: expected an address or a CIDR such as 10.0.0.0/8.`)
  }
  return text
}

function parseLogTarget(text: string): RunOptions['log'] {
  return text === 'stdout' ? text : { path: resolve(text) }
}

function parseAccessLog(text: string): AccessLogSettings['target'] | 'off' {
  return text === 'off' ? text : parseLogTarget(text)
}

function parseShare(text: string): number {
  const share = Number(text)
  if (!/^[0-9.]+$/.test(text) || !(share >= 0 && share <= 1)) {
    throw new InvalidArgumentError('expected a number from 0 to 1, such as 0.1.')
  }
  return share
}

function collectSkipRules(
  text: string,
  previous: readonly SkipRule[] | undefined,
): readonly SkipRule[] {
  const rules = collect(text, undefined).map((part) => {
    const rule = parseSkipRule(part)
    if (rule === undefined) throw new InvalidArgumentError('expected FIELD=VALUE or FIELD=BEGIN*.')
    return rule
  })
  return [...(previous ?? []), ...rules]
}

function parseTemplate(text: string): string {
  const unknown = text.match(/\{(?!name\}|namespace\})[^}]*\}?/)?.[0]
  if (unknown !== undefined || !text.includes('{name}')) {
    throw new InvalidArgumentError('expected a name with {name}, and {namespace} if it is needed.')
  }
  return text
}

function parseInterval(text: string): number {
  const ms = parseSeconds(text)
  if (ms === 0) throw new InvalidArgumentError('expected a duration above 0.')
  return ms
}

/** `8s`, `500ms`, `1m`, or a bare number of seconds; gives milliseconds. */
function parseSeconds(text: string): number {
  const match = /^([0-9]{1,6})(ms|s|m)?$/.exec(text)
  if (match === null) throw new InvalidArgumentError('expected a duration such as 8s, 500ms or 1m.')
  const unit = { ms: 1, s: 1000, m: 60_000 }[match[2] ?? 's'] ?? 1000
  return Number(match[1]) * unit
}
