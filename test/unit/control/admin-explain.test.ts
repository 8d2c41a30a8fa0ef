/** `POST /explain`: what is accepted as a question, and what the answer is made of. */
import assert from 'node:assert/strict'
import { request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { GwProxyError } from '../../../src/base/errors.ts'
import { type ExplainPlane, explainAnswer } from '../../../src/control/admin/explain.ts'
import { type Answer, createHttpListener, json } from '../../../src/control/admin/http-listener.ts'
import type { Explained, ExplainRequest } from '../../../src/model/explanation.ts'
import { bindPart, digest } from './fixtures.ts'

const manifest = (generation: number) => ({
  generation,
  digest: digest(String(generation)),
  binds: [],
  parts: new Set<never>(),
})
const target = (generation: number) => ({
  revision: generation,
  manifest: manifest(generation),
  parts: new Map(),
  keys: new Map(),
  binds: [bindPart(443)],
})

const bind = bindPart(443).key
const ejected = (ejectedForMs?: number) => ({
  endpoints: [
    {
      upstream: 'app',
      endpoint: '192.0.2.1:80',
      healthy: ejectedForMs === undefined,
      ...(ejectedForMs !== undefined && { ejectedForMs }),
    },
  ],
})

function plane(more: Partial<ExplainPlane['publisher']> = {}): ExplainPlane {
  const error = { errno: 'EADDRINUSE', message: 'another process has it' }
  return {
    publisher: {
      target: target(2),
      served: target(2),
      settlement: { revision: 2, generation: 2, results: [{ bind, error }], refusals: [] },
      ...more,
    },
    supervisor: { workers: [ejected(), ejected(900), ejected(1000)] },
    names: { addressesOf: (name) => (name === 'app.test' ? ['192.0.2.1'] : undefined) },
  }
}

/** Asks, and returns what the explainer was given as well. */
async function ask(
  from: ExplainPlane,
  body: string,
): Promise<{ answer: Answer; report: unknown; asked?: ExplainRequest; explained?: Explained }> {
  let given: { asked: ExplainRequest; explained: Explained } | undefined
  const answer = await explainAnswer(
    from,
    async (asked, explained) => {
      given = { asked, explained }
      if (asked.url === 'bad') throw new GwProxyError('GWP_OPTION_INVALID', 'bad: expected a URL')
      return { explanations: [] }
    },
    body,
  )
  return { answer, report: JSON.parse(answer.body), ...given }
}

describe('POST /explain', () => {
  it('takes a URL, a method, headers and an address', async () => {
    const question = { url: 'https://a.test', method: 'PUT', headers: ['a: b'], address: '::1' }
    const { answer, report, asked } = await ask(plane(), JSON.stringify(question))
    assert.deepEqual([answer.status, report], [200, { generation: 2, explanations: [] }])
    assert.deepEqual(asked, question)
    const least = await ask(plane(), '{"url": "https://a.test", "more": 1}')
    assert.deepEqual(least.asked, { url: 'https://a.test', headers: [] })
  })

  for (const body of [
    '',
    'nonsense',
    'null',
    '[]',
    '{}',
    '{"url": 1}',
    '{"url": "x", "method": {}}',
    '{"url": "x", "address": 1}',
    '{"url": "x", "headers": "a: b"}',
    '{"url": "x", "headers": [1]}',
  ]) {
    it(`refuses ${JSON.stringify(body)}`, async () => {
      const { answer, asked } = await ask(plane(), body)
      assert.deepEqual([answer.status, asked], [400, undefined])
    })
  }

  it('says what is wrong with a question', async () => {
    const { answer, report } = await ask(plane(), '{"url": "bad"}')
    assert.deepEqual([answer.status, report], [400, { error: 'bad: expected a URL' }])
  })

  it('answers from what every worker serves, and says what is awaited', async () => {
    const old = plane({ served: target(1), settlement: undefined })
    const { report, explained } = await ask(old, '{"url": "https://a.test"}')
    assert.deepEqual(report, { generation: 1, awaited: 2, explanations: [] })
    assert.equal(explained?.live?.bindError(bind), undefined)
    const early = await ask(plane({ served: undefined }), '{"url": "https://a.test"}')
    assert.equal(early.answer.status, 503)
  })

  it('knows sockets, names and health', async () => {
    const { explained } = await ask(plane(), '{"url": "https://a.test"}')
    const live = explained?.live
    assert.equal(live?.bindError(bind), 'another process has it')
    assert.equal(live?.bindError(bindPart(80).key), undefined)
    assert.deepEqual(live?.addresses('app.test'), ['192.0.2.1'])
    assert.equal(live?.ejectedForMs('app', '192.0.2.1:80'), 1000)
    assert.equal(live?.ejectedForMs('app', '192.0.2.2:80'), 0)
    assert.equal(live?.ejectedForMs('other', '192.0.2.1:80'), 0)
  })
})

describe('bodies', () => {
  let server: Server
  before(async () => {
    server = createHttpListener(
      {
        '/echo': { method: 'POST', answerTo: async (body) => json(200, body) },
        '/reload': { method: 'POST', answer: () => json(200, 'reloaded') },
      },
      { hosts: undefined, token: undefined },
    )
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  })
  after(() => {
    server.close()
    server.closeAllConnections()
  })

  function post(path: string, body: string): Promise<{ status: number; text: string }> {
    const { port } = server.address() as AddressInfo
    return new Promise((resolve, reject) => {
      const outgoing = request({ host: '127.0.0.1', port, path, method: 'POST', agent: false })
      outgoing.on('error', reject)
      outgoing.on('response', (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk
        })
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
      })
      outgoing.end(body)
    })
  }

  it('reach whoever asks for them, whole', async () => {
    const text = 'é'.repeat(60_000)
    assert.deepEqual(await post('/echo', text), { status: 200, text: `${JSON.stringify(text)}\n` })
    assert.equal((await post('/echo', '')).text, '""\n')
  })

  it('are refused when they are too long, and dropped where nobody asks', async () => {
    assert.equal((await post('/echo', 'x'.repeat(128 * 1024 + 1))).status, 413)
    assert.equal((await post('/reload', 'x'.repeat(300_000))).text, '"reloaded"\n')
  })
})
