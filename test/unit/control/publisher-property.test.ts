/**
 * Whatever the order of edits, answers, refusals and deaths: a worker is never published something
 * it cannot compile, and in the end all run the newest manifest on exactly its sockets.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Outgoing } from '../../../src/control/ledger.ts'
import { Publisher, type Settlement } from '../../../src/control/publisher.ts'
import { Sockets } from '../../../src/control/sockets.ts'
import type { ConfigUpdate } from '../../../src/ipc/messages.ts'
import type { BindKey } from '../../../src/model/identity.ts'
import type { Manifest } from '../../../src/model/snapshot.ts'
import { bindPart, certificate, configUpdate, digest } from './fixtures.ts'

/** The least that a worker promises: it keeps what its last acked manifest needs, and its sockets. */
class ModelWorker {
  parts = new Set<string>()
  keys = new Set<string>()
  sockets = new Set<BindKey>()
  acked: Manifest | undefined
  publishing: Manifest | undefined

  receive({ message, socketOf }: Outgoing): void {
    if (message.type === 'socket') {
      assert.equal(socketOf, message.bind)
      assert.equal(this.sockets.has(message.bind), false, 'a socket comes once')
      this.sockets.add(message.bind)
    }
    if (message.type !== 'publish') return
    assert.equal(this.publishing, undefined, 'one publication at a time')
    this.publishing = message.manifest
    for (const [name] of message.parts) this.parts.add(name)
    for (const { keyId } of message.keys) this.keys.add(keyId)
    for (const name of message.manifest.parts) {
      assert.ok(this.parts.has(name), `it has ${name}`)
      if (name.startsWith('cert'))
        assert.ok(this.keys.has(keyOf(name)), `it has the key of ${name}`)
    }
    for (const bind of message.manifest.binds) {
      assert.ok(this.sockets.has(bind as string as BindKey), `it has the socket ${bind}`)
    }
  }

  /** Both ends of an answer forget what the acked manifest does not need. */
  answer(isAck: boolean): Manifest | undefined {
    const manifest = this.publishing
    if (manifest === undefined) return undefined
    this.publishing = undefined
    if (isAck) {
      this.acked = manifest
      const wanted = new Set<string>(manifest.binds)
      for (const bind of this.sockets) if (!wanted.has(bind)) this.sockets.delete(bind)
    }
    this.parts = new Set(this.acked?.parts)
    this.keys = new Set([...this.parts].filter((name) => name.startsWith('cert')).map(keyOf))
    return manifest
  }
}

function keyOf(certificateName: string): string {
  return `key of ${certificateName}`
}

const PORTS = [1001, 1002, 1003]
const CERTIFICATES = ['cert-a', 'cert-b']

type Step =
  | { readonly kind: 'edit'; readonly ports: readonly number[]; readonly certs: readonly string[] }
  | { readonly kind: 'answer'; readonly slot: number; readonly isAck: boolean }
  | { readonly kind: 'die'; readonly slot: number }
  | { readonly kind: 'start'; readonly slot: number }

const slots = fc.integer({ min: 0, max: 1 })
const steps: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant('edit' as const),
    ports: fc.subarray(PORTS),
    certs: fc.subarray(CERTIFICATES),
  }),
  fc.record({ kind: fc.constant('answer' as const), slot: slots, isAck: fc.boolean() }),
  fc.record({ kind: fc.constant('die' as const), slot: slots }),
  fc.record({ kind: fc.constant('start' as const), slot: slots }),
)

class World {
  readonly workers = new Map<number, ModelWorker>()
  readonly open = new Set<number>()
  readonly publisher: Publisher
  settlement: Settlement | undefined
  #last: ConfigUpdate | undefined
  #generation = 0
  readonly #saysGone: boolean

  /** `saysGone`: updates tell which parts the manifest has no longer. */
  constructor(saysGone: boolean) {
    this.#saysGone = saysGone
    const sockets = new Sockets((_address, port) => {
      this.open.add(port)
      const close = (): void => void this.open.delete(port)
      return { kind: 'bound', port, handle: { fd: 3, getsockname: () => 0, close } }
    })
    this.publisher = new Publisher({
      sockets,
      send: (slot, outgoing) => this.workers.get(slot)?.receive(outgoing),
      onSettled: (settlement) => {
        this.settlement = settlement
      },
    })
  }

  take(step: Step): void {
    switch (step.kind) {
      case 'edit':
        return this.edit(step.ports, step.certs)
      case 'answer':
        return this.answer(step.slot, step.isAck)
      case 'die':
        if (this.workers.delete(step.slot)) this.publisher.left(step.slot)
        return
      case 'start':
        if (this.workers.has(step.slot)) return
        this.publisher.starting(step.slot)
        this.workers.set(step.slot, new ModelWorker())
        this.publisher.joined(step.slot, [])
    }
  }

  /** As the config thread does: a generation per digest, and only parts that the last one lacked. */
  edit(ports: readonly number[], certs: readonly string[]): void {
    const options = {
      binds: ports.map((port) => bindPart(port)),
      others: Object.fromEntries(certs.map((name) => [name, certificate(keyOf(name))])),
      keys: certs.map((name) => ({ keyId: digest(keyOf(name)), privateKeyPem: name })),
      sent: [...(this.#last?.manifest.parts ?? [])],
    }
    const same = configUpdate({ generation: 0, ...options }).manifest.digest
    if (same !== this.#last?.manifest.digest) this.#generation += 1
    const update = configUpdate({ generation: this.#generation, ...options })
    const before = [...(this.#last?.manifest.parts ?? [])]
    const gone = before.filter((name) => !update.manifest.parts.has(name))
    this.#last = { ...update, ...(this.#saysGone && { gone }) }
    this.publisher.update(this.#last)
  }

  answer(slot: number, isAck: boolean): void {
    const manifest = this.workers.get(slot)?.answer(isAck)
    if (manifest === undefined) return
    const { generation } = manifest
    if (isAck) this.publisher.answered(slot, { type: 'ack', generation, binds: [] })
    else this.publisher.answered(slot, { type: 'nack', generation, message: 'refused' })
  }
}

describe('Publisher, over any history', () => {
  it('publishes only what can be compiled, and converges', () => {
    fc.assert(
      fc.property(fc.array(steps, { maxLength: 40 }), fc.boolean(), (history, saysGone) => {
        const world = new World(saysGone)
        world.take({ kind: 'start', slot: 0 })
        for (const step of history) world.take(step)

        // Quiet: a last edit, both workers up, everything acked.
        world.edit([1001], ['cert-a', 'cert-b'])
        for (const slot of [0, 1]) world.take({ kind: 'start', slot })
        for (let round = 0; round < 2; round++) {
          for (const slot of [0, 1]) world.answer(slot, true)
        }
        const newest = world.publisher.target?.manifest.generation
        const refused = world.settlement?.refusals.length !== 0
        assert.equal(world.settlement?.generation, newest)
        // A refusal of this very manifest from before stays until the next edit.
        if (refused) return
        assert.deepEqual([...world.open], [1001])
        for (const worker of world.workers.values()) {
          assert.equal(worker.acked?.generation, newest)
          assert.deepEqual([...worker.sockets], [bindPart(1001).key])
        }
      }),
      { numRuns: 500 },
    )
  })
})
