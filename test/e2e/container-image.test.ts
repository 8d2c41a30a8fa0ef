/**
 * The container image: its definition step by step on this machine, without an engine; and, where an
 * engine has it built, the image itself, run as docs/install.md says.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { after, describe, it } from 'node:test'
import { command, shell } from '../support/command.ts'
import { gateway, httpListener, httpRoute, yaml } from '../support/manifests.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const DOCKERFILE = readFileSync(join(ROOT, 'packaging/docker/Dockerfile'), 'utf8')

interface Step {
  readonly name: string
  readonly text: string
}

/** Of each FROM: its instructions in order. */
const stages = stagesOf(DOCKERFILE)

function stagesOf(dockerfile: string): readonly (readonly Step[])[] {
  const stages: Step[][] = []
  const lines = dockerfile.replace(/^#.*\n/gm, '').replaceAll(/\\\n\s*/g, '')
  for (const [, name = '', text = ''] of lines.matchAll(/^([A-Z]+) (.*)$/gm)) {
    if (name === 'FROM') stages.push([])
    else stages.at(-1)?.push({ name, text })
  }
  return stages
}

/** The last word of a COPY is where to. */
function copyOf(text: string): { from: string | undefined; sources: string[]; to: string } {
  const words = text.split(' ')
  const from = words[0]?.startsWith('--from=') ? words.shift() : undefined
  const to = words.pop() ?? ''
  return { from, sources: words, to }
}

/** `COPY A B DIR/`, `COPY A DIR/A` with directories as a whole. */
function copy(sources: readonly string[], root: string, to: string): void {
  for (const source of sources) {
    const name = source.split('/').at(-1) ?? ''
    const target = to.endsWith('/') ? join(to, name) : to
    mkdirSync(dirname(target), { recursive: true })
    cpSync(join(root, source), target, { recursive: true, verbatimSymlinks: true })
  }
}

describe('the image definition', () => {
  const scratch = mkdtempSync(join(tmpdir(), 'gwproxy-image-'))
  const build = join(scratch, 'src')
  const installed = join(scratch, 'opt/gwproxy')
  after(() => rmSync(scratch, { recursive: true, force: true }))

  it('copies what the build context has', () => {
    const ignored = readFileSync(join(ROOT, '.dockerignore'), 'utf8').split('\n')
    const sources = stages
      .flat()
      .filter(({ name }) => name === 'COPY')
      .map(({ text }) => copyOf(text))
      .flatMap(({ from, sources }) => (from === undefined ? sources : []))
    assert.deepEqual(
      sources.filter((name) => !ignored.includes(`!${name}`) || !existsSync(join(ROOT, name))),
      [],
    )
  })

  it('builds: all but the registry’s part of it', { timeout: 120_000 }, async () => {
    mkdirSync(build)
    for (const { name, text } of stages[0] ?? []) {
      if (name === 'COPY') {
        const { sources, to } = copyOf(text)
        copy(sources, ROOT, to === './' ? `${build}/` : join(build, to))
      }
      if (name !== 'RUN') continue
      for (const line of text.split(' && ')) {
        if (!line.startsWith('apt-get ')) await run(line, build)
      }
    }
    assert.ok(existsSync(join(build, 'dist')))
  })

  it('installs what runs, and nothing that only builds', async () => {
    for (const { text } of (stages[1] ?? []).filter(({ name }) => name === 'COPY')) {
      const { from, sources, to } = copyOf(text)
      const relative = sources.map((source) => source.replace(/^\/src\//, ''))
      const target = to === './' ? `${installed}/` : join(installed, to)
      copy(relative, from === undefined ? ROOT : build, to.endsWith('/') ? `${target}/` : target)
    }
    assert.deepEqual(readdirSync(installed).sort(), [
      ...['LICENSE', 'README.md', 'bin', 'dist', 'native', 'package.json'],
    ])
    const launcher = join(installed, 'bin/gwproxy')
    const env = { GWPROXY_NODE: process.execPath }
    const example = join(ROOT, 'config-examples/redirect-https')
    const { stdout, stderr } = await command(launcher, ['check', '--offline', example], { env })
    assert.match(stdout, /0 errors/, stderr)
  })

  /** `npm ci FLAGS` takes the packages from this checkout and leaves out what FLAGS do. */
  async function run(line: string, cwd: string): Promise<void> {
    const flags = /^npm ci(.*)$/.exec(line)?.[1]
    const local =
      flags === undefined
        ? line.replace('npm prune', 'npm prune --offline')
        : `cp -R '${ROOT}/node_modules' . && ${flags === '' ? 'true' : `npm prune --offline${flags}`}`
    const { code, stderr } = await shell(local, { cwd, timeoutMs: 100_000 })
    assert.equal(code, 0, `${line}: ${stderr}`)
  }
})

const IMAGE = 'gwproxy'

/** The engine that has the image; a string says why there is none. */
function engineWithImage(): { readonly engine: string } | string {
  for (const engine of ['docker', 'podman']) {
    if (spawnSync(engine, ['image', 'inspect', IMAGE]).status === 0) return { engine }
  }
  return 'no container engine here has the image: docker build -f packaging/docker/Dockerfile -t gwproxy .'
}

const found = engineWithImage()

/** Where the two differ, as docs/install.md has it. */
const FLAGS = {
  docker: ['--tmpfs', '/run/gwproxy:uid=1000,gid=1000,mode=0750'],
  podman: [
    ...['--mount', 'type=tmpfs,destination=/run/gwproxy,chown=true'],
    ...['--sysctl', 'net.ipv4.ip_unprivileged_port_start=80'],
  ],
} as const

/** Each try starts a process within: no pause is needed. */
async function polled(holds: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 100; tries += 1) if (await holds()) return
  assert.fail('never held')
}

describe('the image', { skip: typeof found === 'string' ? found : false }, () => {
  const engine = typeof found === 'string' ? '' : found.engine
  const name = `gwproxy-test-${process.pid}`
  const directory = mkdtempSync(join(tmpdir(), 'gwproxy-image-'))
  const ask = (...args: readonly string[]) => command(engine, args)
  const within = (...args: readonly string[]) => ask('exec', name, ...args)
  after(async () => {
    await ask('rm', '--force', '--volumes', name)
    rmSync(directory, { recursive: true })
  })

  it('serves as a normal user on a read-only file system', { timeout: 60_000 }, async () => {
    const filter = { type: 'RequestRedirect', requestRedirect: { hostname: 'to.test' } }
    chmodSync(directory, 0o755)
    writeFileSync(
      join(directory, 'all.yaml'),
      yaml(
        gateway([httpListener('http', 80)], { addresses: [] }),
        httpRoute('r', undefined, [{ filters: [filter] }]),
      ),
    )
    const started = await ask(
      ...['run', '--detach', '--name', name, '--network', 'none', '--read-only'],
      ...FLAGS[engine === 'podman' ? 'podman' : 'docker'],
      ...['--cap-drop', 'ALL'],
      ...['--security-opt', 'no-new-privileges', '--memory', '256m'],
      ...['--volume', `${directory}:/etc/gwproxy:ro`, IMAGE],
    )
    assert.equal(started.code, 0, started.stderr)
    const { stdout: check } = await ask('inspect', '-f', '{{json .Config.Healthcheck.Test}}', name)
    const [kind, ...health] = JSON.parse(check) as readonly string[]
    assert.equal(kind, 'CMD')
    await polled(async () => (await within(...health)).code === 0)
    assert.equal((await within('id', '-u')).stdout, '1000\n')
    const script =
      "fetch('http://127.0.0.1/', { redirect: 'manual' }).then(({ status }) => console.log(status))"
    const asked = await within('node', '-e', script)
    assert.equal(asked.stdout, '302\n', asked.stderr)
    const { stdout: log } = await ask('logs', name)
    assert.match(log, /"memoryBytes":268435456/)
    assert.match(log, /"io":"native"/)
  })

  it('reaps orphans, and drains when it is stopped', { timeout: 60_000 }, async () => {
    await within('sh', '-c', '(sleep 0.1 &)')
    const names = async () => (await within('sh', '-c', 'cat /proc/[0-9]*/comm')).stdout
    await polled(async () => !(await names()).includes('sleep'))
    assert.equal((await ask('stop', name)).code, 0)
    assert.equal((await ask('inspect', '-f', '{{.State.ExitCode}}', name)).stdout, '0\n')
    assert.match((await ask('logs', name)).stdout, /"msg":"drained; ending"/)
  })
})
