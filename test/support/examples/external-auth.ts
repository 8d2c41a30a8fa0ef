/** What the text of the example `external-auth` promises. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { curl } from '../command.ts'
import { startGrpcAuth, type WireAttributes } from '../ext-authz.ts'
import { httpServer } from './backends.ts'
import type { Closing, Example, Folder } from './example.ts'

/** The folder's own service, as its text starts it. */
async function startWho({ directory, backend }: Folder): Promise<Closing> {
  const child = spawn('python3', [join(directory, 'who.py'), backend, '9001'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const exited = once(child, 'exit').then(([code]) => {
    throw new Error(`who.py ended with ${code}`)
  })
  await Promise.race([once(child.stdout, 'data'), exited])
  exited.catch(() => undefined)
  return { close: () => child.kill() }
}

export function externalAuth(): Example {
  const asked: WireAttributes[] = []
  let policy: Closing = { close: () => undefined }
  return {
    name: 'external-auth',
    async backends(folder) {
      const checks = await startGrpcAuth(
        (attributes) => {
          asked.push(attributes)
          const { authorization } = attributes.request.http.headers
          return { status: { code: authorization === 'Bearer good' ? 0 : 7 } }
        },
        { address: folder.backend, port: 9002 },
      )
      policy = { close: () => checks[Symbol.dispose]() }
      const intranet = await httpServer(folder, 9000, ({ headers }, response) => {
        response.end(`user: ${headers['x-user'] ?? 'nobody'}\n`)
      })
      return [intranet, await startWho(folder), policy]
    },
    async check({ address }, [nobody, wrong, alice, open, refused, good]) {
      for (const answer of [nobody, wrong]) {
        assert.match(
          answer?.stdout ?? '',
          / 401 [\s\S]*www-authenticate: Basic [\s\S]*Who are you/i,
        )
      }
      assert.match(alice?.stdout ?? '', / 200 [\s\S]*\nuser: alice\n$/)
      assert.match(open?.stdout ?? '', / 200 [\s\S]*\nuser: nobody\n$/)
      assert.match(refused?.stdout ?? '', / 403 /)
      assert.match(good?.stdout ?? '', / 200 [\s\S]*\nuser: nobody\n$/)
      assert.equal(asked.at(-1)?.request.http.body, 'hello')
      policy.close()
      const headers = ['Host: auth.example.test', 'Authorization: Bearer good']
      const args = headers.flatMap((header) => ['-H', header])
      const { stdout } = await curl(['-i', ...args, `http://${address}:8080/api`])
      assert.match(stdout, / 403 [\s\S]*auth-failed/)
    },
  }
}
