/** Sessions of a rule on a real registry: who goes on where, who begins anew, who gets a token. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Fields } from '../../../src/data/http/fields.ts'
import { RuleSessions } from '../../../src/data/http/session.ts'
import type { EndpointState, Upstream } from '../../../src/data/upstream/contract.ts'
import type { HttpSession } from '../../../src/model/http.ts'
import type { WeightedUpstream } from '../../../src/model/upstream.ts'
import { endpointOf, Upstreams } from '../../support/upstreams.ts'

const SECRET = Buffer.alloc(32, 7).toString('base64')
const HEADER: HttpSession = { scope: 'r', carrier: { kind: 'header', name: 'x-session' } }

class Rule {
  readonly upstreams = new Upstreams()

  constructor() {
    this.upstreams.now = 1_000_000
  }

  sessions(backends: readonly WeightedUpstream[], session = HEADER): RuleSessions {
    const set = this.upstreams.acquireAll('r', ...backends)
    const clock = { now: () => this.upstreams.now, monotonic: () => this.upstreams.now }
    return new RuleSessions(session, backends, set, { clock, secret: SECRET })
  }
}

/** One exchange whose first endpoint answers. */
function visit(sessions: RuleSessions, token?: string): { at: EndpointState; token?: string } {
  const client = sessions.begin(fieldsWith(token))
  assert.equal(client.choice.kind, 'upstream')
  const at = endpointOf(upstreamIn(client.choice))
  const answer = Fields.fromRaw([])
  client.answered(at.text, answer)
  const given = answer.get('x-session')
  return { at, ...(given === undefined ? {} : { token: given }) }
}

function fieldsWith(token: string | undefined): Fields {
  return Fields.fromRaw(token === undefined ? [] : ['X-Session', token])
}

function upstreamIn(choice: ReturnType<RuleSessions['begin']>['choice']): Upstream {
  if (choice.kind !== 'upstream') throw new Error(`chose ${choice.kind}`)
  return choice.upstream
}

const PLACES = ['10.0.0.1', '10.0.0.2', '10.0.0.3']

describe('sessions of a rule', () => {
  it('bring a client back, whatever the others do, and repeat no token', () => {
    const rule = new Rule()
    const sessions = rule.sessions([rule.upstreams.backend('a', PLACES)])
    const firsts = PLACES.map(() => visit(sessions))
    assert.deepEqual(
      firsts.map(({ at }) => at.text).sort(),
      PLACES.map((place) => `${place}:80`),
    )
    for (let round = 0; round < 50; round += 1) {
      for (const { at, token } of firsts) {
        assert.deepEqual(visit(sessions, token), { at })
        visit(sessions)
      }
    }
  })

  it('begin by weight, and then stay with the backend', () => {
    const rule = new Rule()
    const { upstreams } = rule
    const backends = [upstreams.backend('a', ['10.0.0.1'], 9), upstreams.backend('b', ['10.0.0.2'])]
    const sessions = rule.sessions(backends)
    const begun = Array.from({ length: 10 }, () => visit(sessions))
    const ofB = begun.filter(({ at }) => at.text === '10.0.0.2:80')
    assert.equal(ofB.length, 1)
    for (let n = 0; n < 20; n += 1) {
      assert.equal(visit(sessions, ofB[0]?.token).at.text, '10.0.0.2:80')
    }
  })

  it('go on in a backend of weight 0, which gets no new ones', () => {
    const rule = new Rule()
    const { upstreams } = rule
    const { token } = visit(rule.sessions([upstreams.backend('a', ['10.0.0.1'])]))
    const split = (weight: number) =>
      rule.sessions([
        upstreams.backend('a', ['10.0.0.1'], 0),
        upstreams.backend('b', ['10.0.0.2'], weight),
      ])
    assert.deepEqual(visit(split(1), token).at.text, '10.0.0.1:80')
    assert.deepEqual(visit(split(1)).at.text, '10.0.0.2:80')
    assert.deepEqual(visit(split(0), token).at.text, '10.0.0.1:80')
    assert.equal(split(0).begin(fieldsWith(undefined)).choice.kind, 'none')
  })

  it('move within their backend when the endpoint is gone, and out of one without weight', () => {
    const rule = new Rule()
    const { upstreams } = rule
    const { token } = visit(rule.sessions([upstreams.backend('a', ['10.0.0.1', '10.0.0.2'])]))
    const after = (weight: number, places: readonly string[]) =>
      rule.sessions([
        upstreams.backend('a', places, weight),
        upstreams.backend('b', ['10.0.0.9'], 100),
      ])
    const moved = visit(after(1, ['10.0.0.2', '10.0.0.3']), token)
    assert.notEqual(moved.at.text, '10.0.0.9:80')
    assert.ok(moved.token !== undefined && moved.token !== token)
    assert.equal(visit(after(0, ['10.0.0.2']), token).at.text, '10.0.0.9:80')
    assert.equal(visit(after(1, []), token).at.text, '10.0.0.9:80')
    const without = rule.sessions([upstreams.backend('b', ['10.0.0.9'])])
    assert.equal(visit(without, token).at.text, '10.0.0.9:80')
  })

  it('leave an endpoint that is ejected, not one that failed once', () => {
    const rule = new Rule()
    const sessions = rule.sessions([rule.upstreams.backend('a', PLACES)])
    const { at, token } = visit(sessions)
    at.failed('connect')
    assert.equal(visit(sessions, token).at, at)
    for (let n = 0; n < 5; n += 1) at.failed('early-reset')
    const moved = visit(sessions, token)
    assert.notEqual(moved.at, at)
    assert.equal(visit(sessions, moved.token).at, moved.at)
  })

  it('stay when all endpoints are ejected: nowhere else is better', () => {
    const rule = new Rule()
    const sessions = rule.sessions([rule.upstreams.backend('a', PLACES, 1)])
    const all = PLACES.map(() => visit(sessions))
    for (const { at } of all) for (let n = 0; n < 5; n += 1) at.failed('early-reset')
    for (const { at, token } of all) assert.deepEqual(visit(sessions, token), { at })
  })

  it('leave the endpoint within a try when it was tried, and in every later try', () => {
    const rule = new Rule()
    const sessions = rule.sessions([rule.upstreams.backend('a', ['10.0.0.1', '10.0.0.2'])])
    const { at, token } = visit(sessions)
    const upstream = upstreamIn(sessions.begin(fieldsWith(token)).choice)
    const tried = new Set<EndpointState>()
    assert.equal(endpointOf(upstream, tried), at)
    // A reused connection was closed: the same endpoint once more.
    assert.equal(endpointOf(upstream, tried), at)
    tried.add(at)
    assert.notEqual(endpointOf(upstream, tried), at)
    const later = [0, 1].map(() => endpointOf(upstream, new Set()).text)
    assert.deepEqual(later.sort(), ['10.0.0.1:80', '10.0.0.2:80'])
  })

  it('wait for the names of their backend', () => {
    const rule = new Rule()
    const { upstreams } = rule
    const answer = (addresses: readonly string[]) =>
      upstreams.registry.updateNames([{ name: 'web.test', addresses }])
    const backends = [upstreams.backend('a', ['web.test'])]
    const before = rule.sessions(backends)
    answer(['10.0.0.1', '10.0.0.2', '10.0.0.3'])
    visit(before)
    const { at, token } = visit(before)
    const restarted = new Rule()
    restarted.upstreams.now = upstreams.now
    const sessions = restarted.sessions([restarted.upstreams.backend('a', ['web.test'])])
    const upstream = upstreamIn(sessions.begin(fieldsWith(token)).choice)
    const tried = new Set<EndpointState>()
    assert.equal(upstream.pick(tried).kind, 'pending')
    restarted.upstreams.registry.updateNames([
      { name: 'web.test', addresses: ['10.0.0.3', '10.0.0.2', '10.0.0.1'] },
    ])
    assert.equal(endpointOf(upstream, tried).text, at.text)
  })

  it('end after their time, counted from their beginning', () => {
    const rule = new Rule()
    const session = { ...HEADER, absoluteMs: 60_000 }
    const sessions = rule.sessions([rule.upstreams.backend('a', PLACES)], session)
    const { at, token } = visit(sessions)
    rule.upstreams.now += 59_999
    assert.deepEqual(visit(sessions, token), { at })
    rule.upstreams.now += 1
    const anew = visit(sessions, token)
    assert.notEqual(anew.at, at)
    assert.ok(anew.token !== undefined && anew.token !== token)
  })

  it('of a clock that ran ahead do not outlast it', () => {
    const rule = new Rule()
    const sessions = rule.sessions([rule.upstreams.backend('a', PLACES)])
    const { token } = visit(sessions)
    rule.upstreams.now -= 60_000
    assert.equal(visit(sessions, token).token, undefined)
    rule.upstreams.now -= 1
    assert.notEqual(visit(sessions, token).token, undefined)
  })

  it('tell two references to one Service apart', () => {
    const rule = new Rule()
    const one = rule.upstreams.backend('a', ['10.0.0.1'])
    const filters = [{ kind: 'url-rewrite', hostname: 'b' }] as const
    const sessions = rule.sessions([one, { ...one, filters }])
    const [first, second] = [visit(sessions), visit(sessions)]
    const filtersOf = (token: string | undefined) => {
      const { choice } = sessions.begin(fieldsWith(token))
      return choice.kind === 'upstream' ? choice.filters : undefined
    }
    for (let n = 0; n < 3; n += 1) {
      assert.deepEqual(filtersOf(first.token), [])
      assert.deepEqual(filtersOf(second.token), filters)
    }
  })
})
