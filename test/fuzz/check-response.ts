/**
 * Fuzz target: answers of an external auth service over gRPC. Mutates messages that protobufjs wrote;
 * every verdict must come without an exception, and what is allowed must be allowed by what protobufjs
 * reads of the same bytes.
 */
import assert from 'node:assert/strict'
import { grpcVerdict } from '../../src/data/http/auth/grpc-service.ts'
import { isFit } from '../../src/data/http/auth/verdict.ts'
import { readCheckResponse, writeCheckResponse } from '../support/ext-authz.ts'
import type { FuzzTarget } from './campaign.ts'
import type { FuzzRandom } from './random.ts'

export const checkResponse: FuzzTarget = { name: 'check-response', prepare }

const header = (key: string, value: string) => ({ header: { key, value } })
const CORPUS: readonly Buffer[] = [
  { status: { code: 0 } },
  { status: { code: 16, message: 'who?' } },
  { okResponse: {} },
  {
    status: { code: 0 },
    okResponse: {
      headers: [header('x-user', 'alice'), { ...header('x-a', 'b'), append: { value: true } }],
      headersToRemove: ['authorization'],
      responseHeadersToAdd: [{ ...header('set-cookie', 'a=1'), appendAction: 2 }],
      queryParametersToSet: [{ key: 'user', value: 'alice' }],
      queryParametersToRemove: ['token'],
    },
  },
  {
    status: { code: 7 },
    deniedResponse: { status: { code: 302 }, headers: [header('location', '/')], body: 'no' },
  },
  { errorResponse: { status: { code: 500 } } },
].map(writeCheckResponse)

async function prepare(): Promise<(random: FuzzRandom) => void> {
  return (random) => {
    const message = mutate(CORPUS[random.below(CORPUS.length)] ?? Buffer.alloc(0), random)
    const prefix = Buffer.alloc(5)
    prefix.writeUInt32BE(message.length, 1)
    const body = Buffer.concat([prefix, message])
    const rawTrailers = ['grpc-status', '0']
    const verdict = grpcVerdict({ status: 200, rawFields: [], rawTrailers, body })
    if (verdict.kind !== 'allowed') return
    const read = readCheckResponse(message)
    const says = JSON.stringify(read)
    assert.equal(read.deniedResponse, undefined, says)
    assert.equal(read.errorResponse, undefined, says)
    assert.ok(read.status !== undefined || read.okResponse !== undefined, says)
    assert.equal(read.status?.code ?? 0, 0, says)
    const { request, response } = verdict.permission
    assert.ok([...request, ...response].every(isFit))
  }
}

function mutate(seed: Buffer, random: FuzzRandom): Buffer {
  let bytes = Buffer.from(seed)
  for (let i = random.below(4); i > 0 && bytes.length > 0; i--) {
    const at = random.below(bytes.length)
    switch (random.below(4)) {
      case 0:
        bytes[at] = random.below(256)
        break
      case 1:
        bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8))
        break
      case 2:
        bytes = bytes.subarray(0, at)
        break
      default:
        bytes = Buffer.concat([bytes, CORPUS[random.below(CORPUS.length)] ?? Buffer.alloc(0)])
    }
  }
  return bytes
}
