/** The config thread as control sees it: a real worker thread behind ConfigHost. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { Worker } from 'node:worker_threads'
import { type ConfigHost, startConfigThread } from '../../src/control/config-host.ts'
import { loadOnce } from '../../src/control/load-once.ts'
import type { ConfigUpdate } from '../../src/ipc/messages.ts'
import { DEFAULT_OPTIONS } from '../../src/translate/options.ts'
import { namespace } from '../support/config-passes.ts'

const dir = mkdtempSync(join(tmpdir(), 'gwproxy-thread-'))
after(() => rmSync(dir, { recursive: true, force: true }))

function gateway(port: number): string {
  return `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web}
spec:
  gatewayClassName: gwproxy
  listeners: [{name: tls, port: ${port}, protocol: TLS, tls: {mode: Passthrough}}]
`
}

function start(stateDir?: string): ConfigHost {
  return startConfigThread({
    roots: [dir],
    unknownFields: 'reject',
    pollIntervalMs: 60_000,
    events: false,
    translate: DEFAULT_OPTIONS,
    ...(stateDir === undefined ? {} : { stateDir }),
  })
}

function firstUpdate(host: ConfigHost): Promise<ConfigUpdate> {
  return new Promise((resolve) => host.onUpdate(resolve))
}

describe('the config thread', () => {
  it('of another build says so and reads nothing', async () => {
    const entry = new URL('../../src/control/config-thread.ts', import.meta.url)
    const thread = new Worker(entry, { workerData: { build: '0.0.1+old', options: {}, start: {} } })
    // It may end in the turn of its message.
    const exit = once(thread, 'exit')
    const [said] = await once(thread, 'message')
    assert.equal(said.type, 'config-failed')
    assert.match(
      said.message,
      /replaced: its thread that reads the configuration is gwproxy \S+, this process is 0\.0\.1\+old/,
    )
    assert.deepEqual(await exit, [0])
  })

  it('sends whole updates of which only new parts travel', async () => {
    writeFileSync(join(dir, 'gateway.yaml'), gateway(8443))
    writeFileSync(join(dir, 'ns.yaml'), namespace('a'))
    const host = start()
    const first = await firstUpdate(host)
    assert.equal(first.manifest.generation, 1)
    assert.equal(first.parts.length, first.manifest.parts.size)
    assert.equal(first.objects.length, 2)

    writeFileSync(join(dir, 'ns.yaml'), namespace('a', 'other'))
    const labelled = await host.reload()
    assert.deepEqual([labelled.manifest, labelled.parts], [first.manifest, []])
    assert.match(JSON.stringify(labelled.objects), /other/)
    assert.equal(labelled.objects.length, 2)

    writeFileSync(join(dir, 'gateway.yaml'), gateway(9443))
    const moved = await host.reload()
    assert.equal(moved.manifest.generation, 2)
    assert.ok(moved.parts.length > 0)
    writeFileSync(join(dir, 'gateway.yaml'), gateway(8443))
    const back = await host.reload()
    assert.equal(back.manifest.generation, 3)
    assert.equal(back.manifest.digest, first.manifest.digest)
    assert.deepEqual(
      back.parts.map(([digest]) => digest),
      first.parts.map(([digest]) => digest),
      'parts that went away travel again',
    )
    await host.stop()
  })

  it('is started again when it dies, and goes on from the same generation', async (t) => {
    const state = mkdtempSync(join(tmpdir(), 'gwproxy-thread-state-'))
    t.after(() => rmSync(state, { recursive: true, force: true }))
    const spawned = once(process, 'worker') as Promise<[Worker]>
    writeFileSync(join(dir, 'gateway.yaml'), gateway(8443))
    const host = start(state)
    t.after(() => host.stop())
    const first = await firstUpdate(host)
    const [thread] = await spawned
    // Broken now: only the memory of --state-dir can bring it back.
    writeFileSync(join(dir, 'gateway.yaml'), 'kind: Gateway')
    const failures: string[] = []
    host.onFailed((message) => failures.push(message))
    const revived = firstUpdate(host)
    void thread.terminate()
    await assert.rejects(host.reload(), /died/)
    const asked = host.reload()
    const next = await revived
    assert.ok(next.pass > first.pass)
    assert.deepEqual([next.manifest, next.parts], [first.manifest, first.parts])
    assert.equal(next.counts.stale, 1)
    assert.deepEqual(failures, ['the config thread died: exit code 1'])
    assert.equal((await asked).manifest.generation, first.manifest.generation)
    await host.stop()
    await assert.rejects(host.reload(), /stopping/)
    rmSync(join(dir, 'gateway.yaml'))
  })

  it('answers reloads that overlap, each with a pass of its own time', async () => {
    const host = start()
    const [a, b] = await Promise.all([host.reload(), host.reload()])
    assert.ok(a.pass <= b.pass)
    await host.stop()
    await assert.rejects(async () => {
      const late = start()
      const pending = late.reload()
      await Promise.all([late.stop(), pending])
    }, /stopping/)
  })

  it('says when it cannot work at all, and gives the reload an error', async () => {
    writeFileSync(join(dir, 'no-directory'), '')
    const host = start(join(dir, 'no-directory'))
    const failed = new Promise<string>((resolve) => host.onFailed(resolve))
    assert.match(await failed, /--state-dir/)
    await host.stop()
  })
})

describe('loading once', () => {
  it('gives resources, translation and all diagnostics, from files and texts', async () => {
    writeFileSync(join(dir, 'gateway.yaml'), gateway(8443))
    const loaded = await loadOnce({
      roots: [join(dir, 'gateway.yaml')],
      texts: [{ name: '<stdin>', text: 'kind: Service\n' }],
      unknownFields: 'reject',
      translate: DEFAULT_OPTIONS,
    })
    assert.equal(loaded.resources.gateways.length, 1)
    assert.equal(loaded.translation.manifest.binds.length, 1)
    const [problem] = loaded.diagnostics
    assert.equal(problem?.origin.file, '<stdin>')
  })
})
