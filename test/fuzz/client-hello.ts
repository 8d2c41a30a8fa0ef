/**
 * Fuzz target: ClientHello bytes. Mutates real and hand-made hellos by flips, cuts, copies and
 * lengths; every verdict must come without an exception, in bounded time, and not depend on the
 * segmentation. What is complete must hold a name that the bytes really contain.
 */
import assert from 'node:assert/strict'
import {
  alpn,
  helloMessage,
  readInSteps,
  readWhole,
  realHello,
  records,
  serverName,
  supportedVersions,
} from '../support/client-hello.ts'
import type { FuzzTarget } from './campaign.ts'
import type { FuzzRandom } from './random.ts'

export const clientHello: FuzzTarget = { name: 'client-hello', prepare }

async function prepare(): Promise<(random: FuzzRandom) => void> {
  const corpus = [
    await realHello({ servername: 'real.test', ALPNProtocols: ['h2'] }),
    await realHello({ servername: 'old.test', maxVersion: 'TLSv1.2' }),
    records(
      helloMessage({ extensions: [serverName('a.test'), alpn('h2'), supportedVersions(0x0304)] }),
    ),
    records(helloMessage({ extensions: [serverName('split.test')] }), 3),
  ]
  return (random) => {
    const seed = corpus[random.below(corpus.length)] ?? Buffer.alloc(0)
    const bytes = mutate(seed, random)
    const cuts = Array.from({ length: random.below(5) }, () => random.below(bytes.length + 1))
    try {
      judge(bytes, cuts)
    } catch (error) {
      // Real hellos differ from run to run: the seed alone would not repeat the case.
      throw new Error(`hello ${bytes.toString('hex')}, cut at ${cuts.join()}`, { cause: error })
    }
  }
}

function judge(bytes: Buffer, cuts: readonly number[]): void {
  const whole = readWhole(bytes)
  const stepped = readInSteps(
    bytes,
    cuts.toSorted((a, b) => a - b),
  )
  assert.equal(stepped.kind, whole.kind)
  if (whole.kind !== 'complete') return
  assert.ok(whole.hello.length <= bytes.length)
  if (whole.hello.sni !== undefined) assert.ok(whole.hello.sni.length > 0)
}

function mutate(seed: Buffer, random: FuzzRandom): Buffer {
  let bytes = Buffer.from(seed)
  for (let i = 1 + random.below(4); i > 0 && bytes.length > 2; i--) {
    const at = random.below(bytes.length - 1)
    switch (random.below(5)) {
      case 0:
        bytes[at] = random.below(256)
        break
      case 1:
        bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8))
        break
      case 2:
        bytes.writeUInt16BE(random.below(0x10000), at)
        break
      case 3:
        bytes = bytes.subarray(0, at)
        break
      default: {
        const copied = bytes.subarray(at, at + random.below(64))
        bytes = Buffer.concat([bytes.subarray(0, at), copied, bytes.subarray(at)])
      }
    }
  }
  return bytes
}
