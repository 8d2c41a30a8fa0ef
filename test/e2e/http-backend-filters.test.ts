/**
 * Filters of a backendRef and long names on a real daemon, as the conformance suite's next version
 * asks for them: redirects and rewrites of one backend's share, lost connections, 253 characters.
 */
import assert from 'node:assert/strict'
import http from 'node:http'
import { text } from 'node:stream/consumers'
import { after, before, describe, it } from 'node:test'
import type { Backend } from '../../demo/backends.ts'
import type { StatusReport } from '../../src/control/admin/contract.ts'
import { type Daemon, startDaemon } from '../support/daemon.ts'
import { type Origin, startOrigin, startTcpOrigin } from '../support/http-origin.ts'
import {
  backendRef,
  gateway,
  httpListener,
  httpRoute,
  type Manifest,
  service,
  yaml,
} from '../support/manifests.ts'

const WAIT = { timeout: 20_000 }

/** As long as the name of an object may be. */
const LONGEST = `g${'a'.repeat(252)}`

/** Below a prefix, what one backend's filter makes of the request. */
function rule(prefix: string, filter: Manifest): Manifest {
  return {
    matches: [{ path: { value: prefix } }],
    backendRefs: [{ ...backendRef('app'), filters: [filter] }],
  }
}

const RULES = [
  rule('/full', {
    type: 'RequestRedirect',
    requestRedirect: { path: { type: 'ReplaceFullPath', replaceFullPath: '/moved' } },
  }),
  rule('/prefix', {
    type: 'RequestRedirect',
    requestRedirect: { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/moved' } },
  }),
  rule('/host', {
    type: 'URLRewrite',
    urlRewrite: { hostname: 'app.internal' },
  }),
  rule('/path', {
    type: 'URLRewrite',
    urlRewrite: { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/new' } },
  }),
  {
    matches: [{ path: { value: '/lost' } }],
    retry: { attempts: 3, backoff: '1ms' },
    backendRefs: [backendRef('cutting')],
  },
]

describe('what the next conformance suite asks for', () => {
  let app: Origin
  let cutting: Origin
  let daemon: Daemon
  /** Connections that are still to be cut when the request is there. */
  let cuts = 0

  before(async () => {
    app = await startOrigin((request, response) => {
      response.end(`${request.headers.host} ${request.url}`)
    })
    cutting = await startTcpOrigin((socket) => {
      socket.once('data', () => {
        cuts -= 1
        if (cuts >= 0) socket.destroy()
        else socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok')
      })
    })
    daemon = await startDaemon({
      workers: 0,
      files: {
        'all.yaml': yaml(
          gateway([httpListener('http', 80)], { name: LONGEST }),
          httpRoute('r', undefined, RULES, { gateway: LONGEST }),
          ...service('app', 80, [backendAt(app)]),
          ...service('cutting', 80, [backendAt(cutting)]),
        ),
      },
    })
  })
  after(async () => {
    assert.equal(await daemon.stop(), 0)
    app[Symbol.dispose]()
    cutting[Symbol.dispose]()
  })

  async function get(path: string): Promise<string> {
    const headers = { host: 'a.test' }
    const request = http.get({ host: daemon.address, port: 80, path, headers, agent: false })
    const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
      request.once('response', resolve).once('error', reject)
    })
    const body = await text(response)
    return `${response.statusCode} ${response.headers.location ?? body}`
  }

  it('redirects the share of a backend', WAIT, async () => {
    assert.equal(await get('/full/x'), '302 http://a.test/moved')
    assert.equal(await get('/prefix/x?q=1'), '302 http://a.test/moved/x?q=1')
  })

  it('rewrites host and path for one backend', WAIT, async () => {
    assert.equal(await get('/host/x'), '200 app.internal /host/x')
    assert.equal(await get('/path/x'), '200 a.test /new/x')
  })

  it('tries lost connections again as often as the rule says, without any code', WAIT, async () => {
    cuts = 3
    assert.equal(await get('/lost'), '200 ok')
    assert.equal(cuts, -1)
    cuts = 4
    assert.match(await get('/lost'), /^503 /)
    assert.equal(cuts, 0)
  })

  it('serves a Gateway with the longest name, and says so', WAIT, async () => {
    const { objects } = await daemon.admin.get<StatusReport>('/status')
    const found = objects.find(({ object }) => object.metadata.name === LONGEST)
    assert.match(JSON.stringify(found?.object['status']), /"reason":"Programmed"/)
  })
})

function backendAt({ port }: Origin): Pick<Backend, 'address' | 'port'> {
  return { address: '127.0.0.1', port }
}
