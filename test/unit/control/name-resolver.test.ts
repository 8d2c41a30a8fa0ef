/** One lookup: hosts file before DNS, both families, failures told apart from absence. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import {
  createLookUp,
  type DnsQueries,
  parseHosts,
  type ResolverOptions,
} from '../../../src/control/name-resolver.ts'

type Query = () => Promise<readonly { address: string; ttl: number }[]>

function refuse(code: string): Query {
  return () => Promise.reject(Object.assign(new Error(code), { code }))
}

function give(ttl: number, ...addresses: string[]): Query {
  return () => Promise.resolve(addresses.map((address) => ({ address, ttl })))
}

const never: Query = () => new Promise(() => undefined)

describe('createLookUp', () => {
  let directory: string
  let hostsFile: string
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'gwproxy-dns-'))
    hostsFile = join(directory, 'hosts')
    writeFileSync(hostsFile, '10.1.1.1 pinned.test\n')
  })
  after(() => rmSync(directory, { recursive: true }))

  function lookUpWith(v4: Query, v6: Query, options: Partial<ResolverOptions> = {}) {
    const queries: DnsQueries = { resolve4: v4, resolve6: v6 }
    return createLookUp({
      hostsFile,
      resolvConf: join(directory, 'resolv.conf'),
      createQueries: () => queries,
      hasIpv6: () => true,
      ...options,
    })
  }

  it('asks both families; IPv6 first, each in byte order, the shorter TTL', async () => {
    const lookUp = lookUpWith(give(60, '10.0.0.2', '10.0.0.1'), give(20, 'fd00::1'))
    assert.deepEqual(await lookUp('a.test'), {
      kind: 'addresses',
      addresses: ['fd00::1', '10.0.0.1', '10.0.0.2'],
      ttlMs: 20_000,
    })
  })

  it('drops addresses that no backend may have, from the DNS and from the hosts file', async () => {
    const mixed = lookUpWith(give(60, '169.254.169.254', '10.0.0.1'), give(60, 'fe80::1'))
    assert.deepEqual(await addressesOf(mixed('a.test')), ['10.0.0.1'])
    const reason =
      'it leads to 169.254.169.254: link-local and metadata addresses are never backends'
    const none = lookUpWith(give(60, '169.254.169.254'), give(60, '::ffff:169.254.169.254'))
    const answer = await none('a.test')
    assert.equal(answer.kind, 'failed')
    assert.match(answer.reason, /169\.254\.169\.254: link-local and metadata addresses/)
    writeFileSync(hostsFile, '10.1.1.1 pinned.test\n169.254.169.254 meta.test\n')
    const pinned = lookUpWith(give(60, '10.0.0.1'), refuse('ENODATA'))
    assert.deepEqual(await pinned('meta.test'), { kind: 'failed', reason })
  })

  it('leaves IPv6 out where this machine has none, unless there is nothing else', async () => {
    const options = { hasIpv6: () => false }
    const both = lookUpWith(give(60, '10.0.0.1'), give(60, 'fd00::1'), options)
    assert.deepEqual(await addressesOf(both('a.test')), ['10.0.0.1'])
    const only = lookUpWith(refuse('ENODATA'), give(60, 'fd00::1'), options)
    assert.deepEqual(await addressesOf(only('a.test')), ['fd00::1'])
  })

  it('a family that fails or is slow does not take the other with it', async () => {
    const failing = lookUpWith(give(60, '10.0.0.1'), refuse('ESERVFAIL'))
    assert.deepEqual(await addressesOf(failing('a.test')), ['10.0.0.1'])
    const slow = lookUpWith(give(60, '10.0.0.1'), never)
    assert.deepEqual(await addressesOf(slow('a.test')), ['10.0.0.1'])
  })

  it('tells absence from failure', async () => {
    const gone = lookUpWith(refuse('ENOTFOUND'), refuse('ENODATA'))
    assert.deepEqual(await gone('a.test'), { kind: 'absent' })
    const broken = lookUpWith(refuse('ENOTFOUND'), refuse('ETIMEOUT'))
    assert.deepEqual(await broken('a.test'), { kind: 'failed', reason: 'ETIMEOUT' })
  })

  it('the hosts file comes first and is read again when it changes', async () => {
    const lookUp = lookUpWith(give(60, '10.0.0.1'), refuse('ENODATA'))
    assert.deepEqual(await addressesOf(lookUp('pinned.test')), ['10.1.1.1'])
    writeFileSync(hostsFile, '10.2.2.2 pinned.test other.test\n')
    assert.deepEqual(await addressesOf(lookUp('pinned.test')), ['10.2.2.2'])
    rmSync(hostsFile)
    assert.deepEqual(await addressesOf(lookUp('pinned.test')), ['10.0.0.1'])
  })

  it('takes new name servers when resolv.conf changes', async () => {
    let made = 0
    const lookUp = lookUpWith(never, never, {
      createQueries: () => {
        made += 1
        return { resolve4: give(1, '10.0.0.1'), resolve6: refuse('ENODATA') }
      },
    })
    await lookUp('a.test')
    await lookUp('b.test')
    assert.equal(made, 1)
    writeFileSync(join(directory, 'resolv.conf'), 'nameserver 127.0.0.1\n')
    await lookUp('a.test')
    assert.equal(made, 2)
  })

  it('localhost needs no file and no server', async () => {
    const lookUp = lookUpWith(never, never, { hostsFile: '/nonexistent' })
    assert.deepEqual(await addressesOf(lookUp('localhost')), ['::1', '127.0.0.1'])
    assert.deepEqual(await addressesOf(lookUp('api.localhost')), ['::1', '127.0.0.1'])
  })
})

async function addressesOf(lookup: Promise<{ kind: string }>): Promise<readonly string[]> {
  const answer = await lookup
  assert.ok(answer.kind === 'addresses' && 'addresses' in answer)
  return answer.addresses as readonly string[]
}

describe('parseHosts', () => {
  it('reads names, comments, case and several lines for one name', () => {
    const hosts = parseHosts(
      '# head\n127.0.0.1\tlocalhost  Local.Test # tail\n::1 localhost\nnonsense here\n\n',
    )
    assert.deepEqual(
      [...hosts],
      [
        ['localhost', ['127.0.0.1', '::1']],
        ['local.test', ['127.0.0.1']],
      ],
    )
  })
})
