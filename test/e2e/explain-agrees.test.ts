/**
 * The property of explain: for random requests on random configurations, what it says is what a
 * daemon then does, by its access log and its answers; and files and running daemon explain alike.
 */
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import fc from 'fast-check'
import { type Backend, startHttpBackend } from '../../demo/backends.ts'
import { loadOnce } from '../../src/control/load-once.ts'
import { defaultRunOptions, translateOptionsOf } from '../../src/control/options.ts'
import { explainRequest } from '../../src/data/explain/explain.ts'
import { bindsOf } from '../../src/data/explain/places.ts'
import type {
  Explained,
  ExplainReport,
  ExplainRequest,
  Explanation,
} from '../../src/model/explanation.ts'
import { testCertificate } from '../support/certificates.ts'
import { type Daemon, type LogLine, ownAddress, startDaemon } from '../support/daemon.ts'
import * as m from '../support/manifests.ts'
import { type Sent, sendOne } from '../support/one-request.ts'
import { configuration, type Drawn, PORTS, request } from '../support/random-traffic.ts'

const CONFIGURATIONS = 7
const REQUESTS = 40

describe('explain', () => {
  let backends: readonly Backend[]
  let daemon: Daemon
  const fingerprints = new Map<string, string>()

  before(async () => {
    backends = await Promise.all(['app', 'other'].map((name) => startHttpBackend(name)))
    const certificates = [
      ['cert-a', await testCertificate(['a.test', '*.a.test'])],
      ['cert-b', await testCertificate(['b.test'])],
    ] as const
    for (const [name, { certPem }] of certificates) {
      fingerprints.set(`default/${name}`, new X509Certificate(certPem).fingerprint256)
    }
    daemon = await startDaemon({
      files: {
        'fixed.yaml': m.yaml(
          ...backends.flatMap((backend) => m.service(backend.name, 80, [backend])),
          ...certificates.map(([name, certificate]) => m.tlsSecret(name, certificate)),
        ),
      },
    })
  })

  after(async () => {
    await daemon?.stop()
    for (const backend of backends ?? []) await backend.close()
  })

  it('says what the access log says, from files and from the daemon', async (t) => {
    const seed = Math.floor(Math.random() * 2 ** 31)
    t.diagnostic(`seed ${seed}`)
    const addresses = [daemon.address, ownAddress()]
    const met = new Set<string>()
    let routed = 0
    // A kernel gives a port of a closed connection to another one.
    const read = new Set<LogLine>()
    for (let round = 0; round < CONFIGURATIONS; round += 1) {
      const at = { seed: seed + round, numRuns: 1 }
      const [manifests = []] = fc.sample(configuration(`r${round}`, addresses), at)
      await daemon.apply({ 'drawn.yaml': m.yaml(...manifests) })
      const files = await explained(daemon)
      const drawn = fc.sample(request, { ...at, numRuns: REQUESTS })
      for (const [index, one] of drawn.entries()) {
        const id = `draw-${round}-${index}`
        const context = `seed ${seed}, ${id}: ${JSON.stringify(one)}`
        const address = addresses[one.gateway] ?? ''
        const question = questionOf(one, address)
        const explanation = await explainBoth(daemon, files, question, context)
        const sent = await sendOne(one, { address, port: portOf(one) }, id)
        const line = await lineOf(daemon, sent, id, read)
        assert.deepEqual(seen(line, explanation), foretold(explanation, line), context)
        checkBackend(explanation, line, context)
        checkReply(explanation, sent, context)
        if (sent.fingerprint !== undefined && explanation.certificates !== undefined) {
          const [name = ''] = explanation.certificates
          assert.equal(sent.fingerprint, fingerprints.get(name), context)
        }
        if (explanation.route !== undefined) routed += 1
        met.add(`${one.kind} ${explanation.answer.kind} ${String(line['reason'])}`)
      }
    }
    // Draws that hardly meet a route, or always the same end, would prove little.
    assert.ok(routed > 30 && met.size > 10, [routed, ...met].join('\n'))
  })
})

async function explained(daemon: Daemon): Promise<Explained> {
  const options = { ...defaultRunOptions({}), configDirs: [daemon.configDir] }
  const { translation } = await loadOnce({
    roots: options.configDirs,
    unknownFields: options.unknownFields,
    translate: translateOptionsOf(options),
  })
  return { parts: translation.parts, binds: bindsOf(translation) }
}

/** Files and daemon agree, but for what only a daemon knows. */
async function explainBoth(
  daemon: Daemon,
  files: Explained,
  question: ExplainRequest,
  context: string,
): Promise<Explanation> {
  const { explanations: offline } = await explainRequest(question, files)
  const { explanations } = await daemon.admin.post<ExplainReport>('/explain', question)
  const asFiles = explanations.map((one) => ({
    ...one,
    ...(one.backends && {
      backends: one.backends.map((backend) => ({
        ...backend,
        endpoints: backend.endpoints.map(({ endpoint }) => ({ endpoint })),
      })),
    }),
  }))
  assert.deepEqual(asFiles, offline, context)
  const [explanation, ...others] = offline
  assert.ok(explanation !== undefined && others.length === 0, context)
  return explanation
}

const SCHEMES = { http: 'http', grpc: 'http', https: 'https', grpcs: 'https', tls: 'tls' } as const

function portOf({ kind }: Drawn): number {
  return kind === 'http' || kind === 'grpc' ? PORTS.http : PORTS.tls
}

function questionOf(drawn: Drawn, address: string): ExplainRequest {
  const { kind, host, authority, path, method, fields } = drawn
  const headers = Object.entries({ ...fields, host: authority })
  return {
    url: `${SCHEMES[kind]}://${host}:${portOf(drawn)}${path}`,
    method,
    address,
    headers: headers.map(([name, value]) => `${name}: ${value}`),
  }
}

/** The exchange, where there was one; its line precedes that of its connection. */
async function lineOf(
  daemon: Daemon,
  { peer }: Sent,
  id: string,
  read: Set<LogLine>,
): Promise<LogLine> {
  const connection = await daemon.line(
    (line) =>
      line['log'] === 'connection' && line['downstream_remote_address'] === peer && !read.has(line),
    `the line of ${peer}`,
  )
  read.add(connection)
  return daemon.lines.find((line) => line['user-agent'] === id) ?? connection
}

interface Winner {
  readonly listener: unknown
  readonly route: unknown
  readonly rule: unknown
  /** Of what gwproxy answers by itself; how a backend ends, nobody foretells. */
  readonly reason: unknown
}

function seen(line: LogLine, { answer }: Explanation): Winner {
  return {
    listener: line['listener'] || undefined,
    route: line['route_name'],
    rule: line['rule'],
    reason: 'reason' in answer ? line['reason'] : undefined,
  }
}

function foretold(explanation: Explanation, line: LogLine): Winner {
  const { answer, listener, authorityListener, route, rule } = explanation
  // A head that is refused as it is read belongs to no listener yet.
  const isUnread = line['reason'] === 'ambiguous-path'
  return {
    listener: isUnread ? undefined : (authorityListener ?? listener),
    route,
    rule,
    reason: 'reason' in answer ? answer.reason : undefined,
  }
}

/** The backend that was chosen is one that can be, at an endpoint of its own. */
function checkBackend(
  { answer, backends = [] }: Explanation,
  line: LogLine,
  context: string,
): void {
  const { upstream_cluster: name, upstream_host: endpoint } = line
  if (name === undefined) {
    const isShared = backends.some((backend) => backend.answer !== undefined)
    assert.ok(answer.kind !== 'forward' || isShared, context)
    return
  }
  const backend = backends.find((one) => one.name === name)
  assert.ok(backend !== undefined && backend.answer === undefined && backend.weight > 0, context)
  const endpoints = backend.endpoints.map((one) => one.endpoint)
  if (endpoint !== undefined) assert.ok(endpoints.includes(String(endpoint)), context)
}

/** What the client is told by gwproxy itself. */
function checkReply({ answer }: Explanation, { status, headers }: Sent, context: string): void {
  if (answer.kind !== 'reply') return
  assert.equal(status, answer.status, context)
  assert.equal(headers['location'], answer.location, context)
  const cors = Object.entries(headers)
    .filter(([name]) => name.startsWith('access-control-'))
    .map(([name, value]) => `${name}: ${String(value)}`)
  const said = (answer.fields ?? []).map((line) =>
    line.replace(/^[^:]+/, (field) => field.toLowerCase()),
  )
  assert.deepEqual(cors.sort(), [...said].sort(), context)
  if (answer.grpcStatus !== undefined) {
    assert.equal(headers['grpc-status'], String(answer.grpcStatus), context)
  }
}
