/**
 * The README as a newcomer types it: the two files of its quick start, written and served as shown,
 * by the commands shown. Only what a test machine cannot have is replaced: the directory in /etc,
 * port 443, certbot's certificate, the application.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type Backend, startHttpBackend } from '../../demo/backends.ts'
import { curl, shell } from '../support/command.ts'
import { ownAddress } from '../support/daemon.ts'
import { type FencedBlock, fencedBlocks } from '../support/markdown.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const README = readFileSync(join(ROOT, 'README.md'), 'utf8')
const NAME = 'www.example.com'
const PORT = 8443

/** Commands of other tests: demo.test.ts runs the first, .ci/run the second. */
const PROVED_ELSEWHERE = ['npm ci && npm start', 'npm ci && npm test']

const quickStart = new Map(
  fencedBlocks(README).flatMap((block) => {
    const name = /^quick-start: (.*)$/.exec(block.marker ?? '')?.[1]
    return name === undefined ? [] : [[name, block.text] as const]
  }),
)

describe('the quick start of the README', () => {
  const home = mkdtempSync(join(tmpdir(), 'gwproxy-readme-'))
  const certbot = join(home, 'live', NAME)
  const address = ownAddress()
  const env = {
    PATH: `${join(home, 'bin')}:${process.env['PATH']}`,
    NO_COLOR: '1',
    RUNTIME_DIRECTORY: join(home, 'run'),
    GWPROXY_METRICS: 'off',
  }
  let app: Backend | undefined
  let daemon: ChildProcess | undefined
  const commands = linesOf(quickStart.get('commands') ?? '').map(here)

  before(async () => {
    app = await startHttpBackend('app')
    for (const name of ['bin', 'etc']) mkdirSync(join(home, name))
    symlinkSync(join(ROOT, 'bin/gwproxy'), join(home, 'bin/gwproxy'))
    const made = await shell(`gwproxy cert self-signed --out ${certbot} ${NAME}`, { env })
    assert.equal(made.code, 0, made.stderr)
    for (const [name, text] of quickStart) {
      if (name.endsWith('.yaml')) writeFileSync(join(home, 'etc', name), here(text))
    }
  })

  after(async () => {
    if (daemon !== undefined && daemon.exitCode === null) {
      daemon.kill('SIGTERM')
      await once(daemon, 'exit')
    }
    await app?.close()
    rmSync(home, { recursive: true, force: true })
  })

  /** What the README says, for this machine. */
  function here(text: string): string {
    return text
      .replaceAll('/etc/gwproxy', join(home, 'etc'))
      .replaceAll(`/etc/letsencrypt/live/${NAME}`, certbot)
      .replaceAll('port: 443', `port: ${PORT}`)
      .replaceAll('port: 3000', `port: ${app?.port}`)
      .replaceAll(/^( *)listeners:$/gm, `$1addresses: [{ value: ${address} }]\n$&`)
  }

  it('is two files and three commands', () => {
    assert.deepEqual([...quickStart.keys()], ['gateway.yaml', 'www.yaml', 'commands'])
    assert.equal(commands.length, 3)
  })

  it('check finds nothing', async () => {
    const { code, stdout } = await shell(commands[0] ?? '', { env })
    assert.equal(code, 0, stdout)
    assert.match(stdout, /4 objects in 2 files: 0 errors, 0 warnings/)
  })

  it('serves requests to the name over HTTPS', async () => {
    daemon = spawn('bash', ['-c', `exec ${commands[1]}`], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    await Promise.race([
      once(daemon, 'message'),
      once(daemon, 'exit').then(([code]) => assert.fail(`gwproxy ended with ${code}`)),
    ])
    const { stdout, stderr } = await curl([
      ...['--cacert', join(certbot, 'ca.crt'), '--resolve', `${NAME}:${PORT}:${address}`],
      `https://${NAME}:${PORT}/`,
    ])
    assert.match(stdout, /"backend": "app"/, stderr)
  })

  it('status shows what became of the files', async () => {
    const { code, stdout, stderr } = await shell(commands[2] ?? '', { env })
    assert.equal(code, 0, stderr)
    assert.match(stdout, /Gateway default\/front +Accepted Programmed/)
    assert.match(stdout, /HTTPRoute default\/www/)
  })
})

describe('the commands of the README', () => {
  it('are all run by a test', () => {
    const shown = fencedBlocks(README)
      .filter(isShell)
      .flatMap(({ text }) => linesOf(text))
    const proved = [...PROVED_ELSEWHERE, ...linesOf(quickStart.get('commands') ?? '')]
    assert.deepEqual(
      shown.filter((line) => !proved.includes(line)),
      [],
    )
  })
})

function isShell({ language }: FencedBlock): boolean {
  return language === 'sh'
}

/** Without comments. */
function linesOf(text: string): readonly string[] {
  return text
    .split('\n')
    .map((line) => line.replace(/(?:^|\s)#.*$/, '').trim())
    .filter((line) => line !== '')
}
