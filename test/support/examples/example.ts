/**
 * The folders of config-examples as a reader meets them: copied to a scratch directory, their
 * commands run as the README has them, their files served by a real daemon. Only addresses are the
 * test's own, so that nothing collides: 127.0.0.1 before gwproxy is one, that behind it another.
 */
import assert from 'node:assert/strict'
import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { messageOf } from '../../../src/base/errors.ts'
import { type CommandResult, shell } from '../command.ts'
import { type Daemon, ownAddress, startDaemon } from '../daemon.ts'
import { LAUNCHER } from '../launcher.ts'
import { fencedBlocks } from '../markdown.ts'

const ROOT = resolve(import.meta.dirname, '../../..')
export const EXAMPLES = join(ROOT, 'config-examples')

/** What the daemon and the test need to know of a folder, and what its text promises. */
export interface Example {
  /** The folder. */
  readonly name: string
  /** Flags that the text gives to `gwproxy`. */
  readonly args?: readonly string[]
  /** Its Gateways keep the addresses that the files give them, the wildcard among them. */
  readonly keepsAddresses?: boolean
  /** `check` finds this one problem until somebody else has done their part. */
  readonly waitsFor?: RegExp
  /** What the text expects behind gwproxy. */
  backends(folder: Folder): Promise<readonly Closing[]>
  /** Does what the text says. `shown`: what each curl and openssl command of it printed. */
  check(running: Running, shown: readonly CommandResult[]): Promise<void>
}

export interface Closing {
  close(): unknown
}

export interface Folder {
  readonly directory: string
  /** Stands for 127.0.0.1 and 127.0.0.2 behind gwproxy. */
  readonly backend: string
  readonly secondBackend: string
  /** Ports of the text -> those that this test has instead. `backends` fills it. */
  readonly ports: Map<number, number>
  read(path: string): string
}

export interface Running extends Folder {
  /** Stands for 127.0.0.1 before gwproxy. */
  readonly address: string
  readonly daemon: Daemon
  /** Saves the file with one text in place of another, and waits until that serves. */
  edit(file: string, from: string, to: string): Promise<void>
}

/** Serves these examples from one directory, calls `use`, and ends everything. */
export async function withExamples(
  examples: readonly Example[],
  use: (running: ReadonlyMap<Example, Running>) => Promise<void>,
  workers = 0,
): Promise<void> {
  const scratch = mkdtempSync(join(tmpdir(), 'gwproxy-examples-'))
  const address = ownAddress()
  const backends: Closing[] = []
  const running = new Map<Example, Running>()
  let daemon: Daemon | undefined
  try {
    const prepare = async (example: Example): Promise<[Example, Folder]> => {
      const folder = await unpack(example, join(scratch, example.name))
      backends.push(...(await example.backends(folder)))
      adapt(example, folder, address)
      return [example, folder]
    }
    const folders = await Promise.all(examples.map(prepare))
    const args = ['--config', scratch, ...examples.flatMap(({ args = [] }) => args)]
    await assertClean(examples, args)
    daemon = await startDaemon({ files: {}, args, workers })
    for (const [example, folder] of folders) {
      running.set(example, { ...folder, address, daemon, edit: editIn(folder, daemon) })
    }
    await use(running)
    assert.equal(await daemon.stop(), 0)
  } finally {
    await daemon?.stop()
    for (const backend of backends) await backend.close()
    rmSync(scratch, { recursive: true, force: true })
  }
}

/** A copy of the folder, with its certificates. */
async function unpack(example: Example, directory: string): Promise<Folder> {
  cpSync(join(EXAMPLES, example.name), directory, { recursive: true })
  // Compose's own file is no manifest; it mounts the directories beside it.
  rmSync(join(directory, 'compose.yaml'), { force: true })
  const made = await Promise.all(
    commandsOf(example, /\bgwproxy cert /).map((line) => shellIn(directory, uncontained(line))),
  )
  for (const { code, stderr } of made) assert.equal(code, 0, stderr)
  return {
    directory,
    backend: ownAddress(),
    secondBackend: ownAddress(),
    ports: new Map(),
    read: (path) => readFileSync(join(directory, path), 'utf8'),
  }
}

/** A `docker run` of gwproxy as the same without a container: on the directory that it mounts. */
function uncontained(line: string): string {
  const [, source, target, command] =
    /^docker run --rm -v "\$PWD\/([^":]+):([^":]+)" (gwproxy .*)$/.exec(line) ?? []
  return command === undefined ? line : command.replaceAll(target ?? '', source ?? '')
}

/** Puts the files on the test's addresses. */
function adapt(example: Example, folder: Folder, address: string): void {
  const { directory } = folder
  for (const file of yamlFiles(directory)) {
    writeFileSync(join(directory, file), adapted(example, folder, file, address))
  }
}

/** `check` has nothing to say against the files, alone or beside each other. */
async function assertClean(examples: readonly Example[], args: readonly string[]): Promise<void> {
  const words = ['check', '--offline', ...args].map((word) => `'${word}'`)
  const { code, stdout } = await shellIn('/', `gwproxy ${words.join(' ')}`)
  const waiting = examples.flatMap(({ waitsFor = [] }) => waitsFor)
  assert.match(stdout, new RegExp(` ${waiting.length} errors?, 0 warnings`))
  for (const problem of waiting) assert.match(stdout, problem)
  assert.equal(code, waiting.length === 0 ? 0 : 1)
}

function adapted(example: Example, folder: Folder, file: string, address: string): string {
  const text = folder
    .read(file)
    .replaceAll('externalName: localhost', `externalName: ${folder.backend}`)
    .replaceAll('/etc/letsencrypt', join(folder.directory, 'letsencrypt'))
    .replaceAll(/(?<=\bport: )\d+/g, (port) => String(folder.ports.get(Number(port)) ?? port))
  if (example.keepsAddresses === true) return text
  return text
    .replaceAll('127.0.0.1', folder.backend)
    .replaceAll('127.0.0.2', folder.secondBackend)
    .replaceAll('gatewayClassName: gwproxy', `$&\n  addresses: [{ value: '${address}' }]`)
}

function editIn({ directory, read }: Folder, daemon: Daemon): Running['edit'] {
  return async (file, from, to) => {
    const text = read(file)
    assert.ok(text.includes(from), `${file} has ${from}`)
    const path = join(directory, file)
    writeFileSync(`${path}.tmp`, text.replace(from, to))
    renameSync(`${path}.tmp`, path)
    const { refusals } = await daemon.reload()
    assert.deepEqual(refusals, [])
  }
}

/** Runs the commands of the text, then what else the example promises. */
export async function checkExample(example: Example, running: Running): Promise<void> {
  try {
    const shown: CommandResult[] = []
    for (const line of commandsOf(example, /^(?:curl|openssl s_client) /)) {
      shown.push(await shellIn(running.directory, onOwnAddress(example, running, line)))
    }
    await example.check(running, shown)
  } catch (error) {
    throw new Error(`${example.name}: ${messageOf(error)}`, { cause: error })
  }
}

function onOwnAddress({ keepsAddresses }: Example, running: Running, line: string): string {
  const moved = line.replaceAll(/(?<=[\].\w]:)\d+\b/g, (port) =>
    String(running.ports.get(Number(port)) ?? port),
  )
  return keepsAddresses === true ? moved : moved.replaceAll('127.0.0.1', running.address)
}

/** Command lines of the README's shell blocks that fit. */
export function commandsOf({ name }: Example, fits: RegExp): readonly string[] {
  const readme = readFileSync(join(EXAMPLES, name, 'README.md'), 'utf8')
  return fencedBlocks(readme)
    .filter(({ language }) => language === 'sh')
    .flatMap(({ text }) => text.split('\n'))
    .filter((line) => fits.test(line))
}

function shellIn(cwd: string, line: string): Promise<CommandResult> {
  const PATH = `${dirname(LAUNCHER)}:${process.env['PATH']}`
  return shell(line.replace(/^curl /, 'curl -sS '), { cwd, env: { PATH }, timeoutMs: 60_000 })
}

function yamlFiles(directory: string): readonly string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.yaml'),
  )
}
