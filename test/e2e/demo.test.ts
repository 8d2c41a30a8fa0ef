/** `npm start` as a newcomer meets it: every command that the demo prints is run as printed. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type CommandResult, curl, shell } from '../support/command.ts'
import { ownAddress } from '../support/daemon.ts'

const ROOT = resolve(import.meta.dirname, '../..')

/** What each printed command must show, by a part of the command. */
const EXPECTATIONS: readonly (readonly [command: RegExp, stdout: RegExp])[] = [
  [/curl .*secure\.demo\.test/, /"backend":"secure".*"sni":"secure\.demo\.test"/],
  [/openssl .*secure\.demo\.test/, /(?:)/],
  [/openssl .*echo\.demo\.test/, /echo says hello\nover tls/],
  [/--http1\.1 'https:.*hello/, /"path": "\/hello\?a=1"[\s\S]*"x-demo": "through gwproxy"/],
  [/--http2 'https:.*hello/, /"path": "\/hello"/],
  [/-i 'https:.*old/, /HTTP\/2 301[\s\S]*location: https:\/\/web\.demo\.test:8443\/new\/page/i],
  [/h2c'/, /"backend":"h2c".*"httpVersion":"2\.0"/],
  [/Upgrade: websocket/, /101 Switching Protocols[\s\S]*says hello/],
  [/any\.demo\.test/, /"host": "any\.demo\.test:8443"/],
  [/'http:.*hello/, /"path": "\/hello"/],
  [/gwproxy status/, /Gateway default\/demo[\s\S]*Programmed/],
  [/gwproxy check/, /0 errors/],
]

for (const [workers, signal] of [
  ['0', 'SIGTERM'],
  ['2', 'SIGINT'],
] as const) {
  describe(`the demo with --workers ${workers}, ended by ${signal}`, () => {
    const home = mkdtempSync(join(tmpdir(), 'gwproxy-demo-'))
    const address = ownAddress()
    let demo: ChildProcess
    let printed = ''
    let commands: readonly string[] = []

    before(async () => {
      demo = spawn('npm', ['start', '--silent', '--', '--workers', workers], {
        cwd: ROOT,
        env: { ...process.env, GWPROXY_DEMO_DIR: home, GWPROXY_DEMO_ADDRESS: address },
        stdio: ['ignore', 'pipe', 'inherit'],
        detached: true,
      })
      await new Promise<void>((resolve, reject) => {
        demo.once('exit', (code) => reject(new Error(`the demo ended with ${code}:\n${printed}`)))
        demo.stdout?.setEncoding('utf8').on('data', (text: string) => {
          printed += text
          if (printed.includes('Ctrl-C ends the demo.')) resolve()
        })
      })
      commands = [...printed.matchAll(/^\$ (.*)$/gm)].map((match) => match[1] ?? '')
    })

    after(async () => {
      if (demo.pid !== undefined && demo.exitCode === null) {
        const ended = once(demo, 'exit')
        // Ctrl-C goes to the whole process group, a supervisor's signal to npm alone.
        process.kill(signal === 'SIGINT' ? -demo.pid : demo.pid, signal)
        await ended
      }
      const { code } = await curl([`http://${address}:8080/`])
      assert.equal(code, 7, 'nothing listens any more')
      rmSync(home, { recursive: true, force: true })
    })

    it('prints a command for every row', () => {
      for (const [command] of EXPECTATIONS) {
        assert.ok(
          commands.some((line) => command.test(line)),
          `${command} is printed`,
        )
      }
    })

    it('every printed command does what its row says', async () => {
      for (const line of commands) {
        const result = await shell(line, { cwd: ROOT })
        const expected = EXPECTATIONS.find(([command]) => command.test(line))
        assert.ok(expected, `an expectation for: ${line}`)
        assert.equal(result.code, 0, explain(line, result))
        assert.match(result.stdout, expected[1], explain(line, result))
      }
    })
  })
}

function explain(line: string, { stdout, stderr }: CommandResult): string {
  return `$ ${line}\n${stdout}\n${stderr}`
}
