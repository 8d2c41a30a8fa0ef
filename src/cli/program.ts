/**
 * The command line: one file per command, loaded when it is used, since `status` should not pay
 * for zod. `run` is the default command.
 * Exit codes: 0 done, 1 problems, 2 wrong usage.
 */
import { Command, CommanderError, Option } from 'commander'
import { GwProxyError, messageOf } from '../base/errors.ts'
import type { AdminAddress } from '../control/admin/address.ts'
import { planBudget } from '../control/budget.ts'
import { becomeBounded, readMachine } from '../control/machine.ts'
import type { CheckFlags } from './check.ts'
import type { ExplainFlags } from './explain.ts'
import {
  addAdminFlag,
  addRunFlags,
  addTranslateFlags,
  dropUnsetVariables,
  type RunFlags,
  runOptionsOf,
} from './run-options.ts'
import type { StatusOutput } from './status.ts'
import { EXIT, terminal } from './terminal.ts'
import { versionLine } from './version.ts'

interface AdminFlags {
  readonly admin?: AdminAddress
}

interface OutputFlags {
  readonly output: 'text' | 'json'
}

/** Parses `argv` (as process.argv) and runs the command; sets the process's exit code. */
export async function runProgram(argv: readonly string[]): Promise<void> {
  dropUnsetVariables(process.env)
  try {
    await buildProgram().parseAsync(argv)
  } catch (error) {
    if (error instanceof CommanderError) {
      // commander has printed its message already; help and version end with 0.
      process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage
    } else if (error instanceof GwProxyError) {
      terminal.err(`gwproxy: ${messageOf(error)}`)
      process.exitCode = error.code === 'GWP_OPTION_INVALID' ? EXIT.usage : EXIT.problems
    } else throw error
  }
}

function buildProgram(): Command {
  const program = new Command('gwproxy')
    .description('A TLS/SNI reverse proxy configured by a directory of Gateway API YAML.')
    .configureHelp({ showGlobalOptions: true, sortSubcommands: false })
    .showHelpAfterError('(--help shows the options, gwproxy help the commands)')
    .enablePositionalOptions()
    .version(versionLine(), '-V, --version', 'print the version')
    .exitOverride()
    .addHelpText(
      'after',
      `
Examples:
  gwproxy --config /etc/gwproxy            serve a directory; edits take effect as they are saved
  gwproxy check --config /etc/gwproxy      what is wrong with the files, with file:line:column
  gwproxy status                           what the running daemon made of them
  gwproxy cert self-signed --out certs/web web.example.test localhost`,
    )
  addRun(program)
  addCheck(program)
  addExplain(program)
  addStatus(program)
  addLifecycle(program)
  addSchema(program)
  addCert(program)
  addVersion(program)
  return program
}

function addRun(program: Command): void {
  const run = program
    .command('run', { isDefault: true })
    .description('serve (the default command)')
    .addHelpText(
      'after',
      `
Every flag has a variable, for example GWPROXY_CONFIG and GWPROXY_DRAIN_TIMEOUT.

Examples:
  gwproxy run --config ./config --admin unix:./admin.sock --metrics off
  gwproxy run --config /etc/gwproxy --workers 2 --state-dir /var/lib/gwproxy
  gwproxy run --config /etc/gwproxy --service-dns '{name}'     backends by compose service name

Signals: HUP reloads, TERM drains (a second one exits at once), USR1 reopens logs.`,
    )
  addRunFlags(run).action(async (flags: RunFlags) => {
    const options = runOptionsOf(flags)
    becomeBounded(planBudget(options.workers, readMachine()))
    const { runDaemon } = await import('../main.ts')
    await runDaemon(options)
  })
}

function addCheck(program: Command): void {
  const check = program
    .command('check')
    .description('find what is wrong with manifests, by the daemon’s own rules')
    .argument('[path...]', 'files or directories instead of --config; - reads standard input')
    .option('--offline', 'look up no names')
    .addOption(
      new Option('--fail-on <severity>', 'least severity for exit code 1')
        .choices(['error', 'warning'])
        .default('error'),
    )
    .addOption(outputOption(['text', 'json', 'github']))
    .addHelpText(
      'after',
      `
Exit codes: 0 nothing found, 1 problems, 2 wrong usage.

Examples:
  gwproxy check --config /etc/gwproxy
  gwproxy check gateway.yaml routes/
  gwproxy check --offline --fail-on warning -o github config/      in a CI job
  kubectl get gateway,httproute,service,endpointslice -o yaml | gwproxy check -`,
    )
  addTranslateFlags(check).action(async (paths: readonly string[], flags: CheckFlags) => {
    const { check: run } = await import('./offline.ts')
    process.exitCode = await run(paths, flags, terminal)
  })
}

function addExplain(program: Command): void {
  const explain = program
    .command('explain')
    .description(
      'which listener, certificate, route and backend a request gets, and why not others',
    )
    .argument('<url>', 'https://, http://, tls://, tcp:// or udp://')
    .option('-X, --method <method>', 'method of the request', 'GET')
    .option(
      '-H, --header <line>',
      "'Name: value'; Host replaces the authority, not the SNI",
      (line: string, lines: readonly string[]) => [...lines, line],
      [],
    )
    .option('--address <ip>', 'the local address that the client connects to')
    .addOption(outputOption(['text', 'json']))
    .addHelpText(
      'after',
      `
The running daemon answers, from what it serves; with --config the files are explained instead.

Exit codes: 0 it is served, 1 it is refused or nobody answers, 2 wrong usage.

Examples:
  gwproxy explain https://www.example.test/login
  gwproxy explain https://www.example.test/ -X POST -H 'X-Canary: yes' --config ./config
  gwproxy explain tls://db.example.test:5432 --address 192.0.2.1`,
    )
  const own = new Set(explain.options)
  const forFiles = addTranslateFlags(explain).options.filter((option) => !own.has(option))
  addAdminFlag(explain).action(async (url: string, flags: ExplainFlags) => {
    const { daemonSource, explain: run } = await import('./explain.ts')
    // The files want zod and yaml, which the daemon's answer does not.
    const source = readsFiles(explain, forFiles)
      ? (await import('./offline.ts')).filesSource(flags)
      : daemonSource(await adminClient(flags))
    process.exitCode = await run(url, flags, source, terminal)
  })
}

/**
 * The command line alone decides who explains: a variable that is set for the daemon must not make
 * the same question ask another.
 */
function readsFiles(explain: Command, forFiles: readonly Option[]): boolean {
  const isGiven = (name: string): boolean => explain.getOptionValueSource(name) === 'cli'
  const hasFiles = isGiven('config')
  if (hasFiles && isGiven('admin')) {
    throw new GwProxyError('GWP_OPTION_INVALID', '--config and --admin exclude each other')
  }
  const idle = forFiles.find((option) => isGiven(option.attributeName()))
  if (!hasFiles && idle !== undefined) {
    throw new GwProxyError(
      'GWP_OPTION_INVALID',
      `${idle.long} says how files are read: name them with --config`,
    )
  }
  return hasFiles
}

function addStatus(program: Command): void {
  const status = program
    .command('status')
    .description('show the objects with their status')
    .option('--ready', 'say only whether the daemon is ready')
    .addOption(outputOption(['table', 'yaml', 'json']))
    .addHelpText(
      'after',
      `
Examples:
  gwproxy status
  gwproxy status -o yaml          as kubectl get -o yaml would print them
  gwproxy status --ready          for a health check: exit code 0 or 1`,
    )
  addAdminFlag(status).action(
    async (flags: AdminFlags & { readonly ready?: boolean; readonly output: StatusOutput }) => {
      const { showReady, showStatus } = await import('./status.ts')
      const show = flags.ready === true ? showReady : showStatus
      process.exitCode = await show(await adminClient(flags), flags.output, terminal)
    },
  )
}

function addLifecycle(program: Command): void {
  const reload = program
    .command('reload')
    .description('read the files again; answers when they serve')
    .addOption(outputOption(['text', 'json']))
  addAdminFlag(reload).action(async (flags: AdminFlags & OutputFlags) => {
    const lifecycle = await import('./lifecycle.ts')
    process.exitCode = await lifecycle.reload(await adminClient(flags), flags.output, terminal)
  })
  const upgrade = program
    .command('upgrade')
    .description('hand over to the program as it is installed now; no connection is refused')
    .addOption(outputOption(['text', 'json']))
    .addHelpText(
      'after',
      `
The running daemon starts the installed program with its own arguments. That takes the listening
sockets over; what is under way ends with the old process, within its --drain-timeout. When the new
one cannot serve what the old one serves, the old one goes on and the answer says why.

Example:
  npm install -g ./gwproxy-0.2.0.tgz && gwproxy upgrade`,
    )
  addAdminFlag(upgrade).action(async (flags: AdminFlags & OutputFlags) => {
    const lifecycle = await import('./lifecycle.ts')
    process.exitCode = await lifecycle.upgrade(await adminClient(flags), flags.output, terminal)
  })
  const drain = program
    .command('drain')
    .description('stop accepting, let running work end, then exit')
    .addOption(outputOption(['text', 'json']))
  addAdminFlag(drain).action(async (flags: AdminFlags & OutputFlags) => {
    const lifecycle = await import('./lifecycle.ts')
    process.exitCode = await lifecycle.drain(await adminClient(flags), flags.output, terminal)
  })
}

function addSchema(program: Command): void {
  program
    .command('schema')
    .description('JSON Schema of a kind, for editors; without a kind, the list of kinds')
    .argument('[kind]', 'such as HTTPRoute')
    .addOption(outputOption(['text', 'json']))
    .addHelpText(
      'after',
      `
Examples:
  gwproxy schema
  gwproxy schema HTTPRoute > httproute.schema.json`,
    )
    .action(async (kind: string | undefined, flags: OutputFlags) => {
      const { schema } = await import('./offline.ts')
      process.exitCode = schema(kind, flags.output, terminal)
    })
}

function addCert(program: Command): void {
  program
    .command('cert')
    .description('make certificates for trying things out')
    .command('self-signed')
    .description('a local authority and a certificate signed by it')
    .argument('<name...>', 'DNS names and IP addresses; *.x is a wildcard')
    .requiredOption('--out <dir>', 'where ca.crt, fullchain.pem and privkey.pem are written')
    .option('--days <n>', 'lifetime in days', parseDays, 397)
    .addOption(new Option('--key-type <type>', 'of all keys').choices(['ec', 'rsa']).default('ec'))
    .option('--client', 'for a client that shows it, not for a server', false)
    .option('--force', 'replace files that exist', false)
    .addOption(outputOption(['text', 'json']))
    .addHelpText(
      'after',
      `
Examples:
  gwproxy cert self-signed --out certs/web web.example.test '*.web.example.test' 127.0.0.1
  gwproxy cert self-signed --out certs/alice --client alice`,
    )
    .action(async (names: readonly string[], options) => {
      const { selfSigned } = await import('./offline.ts')
      process.exitCode = await selfSigned(names, options, terminal)
    })
}

function addVersion(program: Command): void {
  program
    .command('version')
    .description('this build and what it runs on')
    .addOption(outputOption(['text', 'json']))
    .action(async (flags: OutputFlags) => {
      const { printVersion } = await import('./version.ts')
      process.exitCode = printVersion(flags.output, terminal)
    })
}

function outputOption(choices: readonly [string, ...string[]]): Option {
  return new Option('-o, --output <format>', 'output format').choices(choices).default(choices[0])
}

async function adminClient(flags: AdminFlags) {
  const { AdminClient } = await import('../control/admin/client.ts')
  const { findAdminAddress } = await import('../control/admin/address.ts')
  return new AdminClient(flags.admin ?? findAdminAddress(), {
    token: process.env['GWPROXY_ADMIN_TOKEN'],
  })
}

function parseDays(text: string): number {
  if (!/^[0-9]{1,4}$/.test(text) || Number(text) === 0) {
    throw new GwProxyError('GWP_OPTION_INVALID', `--days ${text}: expected 1 to 9999`)
  }
  return Number(text)
}
