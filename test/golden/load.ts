/**
 * Manifests of a golden case to a resource set, by the loader that the daemon uses. Certificates
 * are made at run time: `{{cert a.example.com}}` and `{{key a.example.com}}` with equal arguments
 * are a pair, as base64. Flags before the names: `rsa`, `expired`. `{{ca NAME}}` is an authority.
 */
import assert from 'node:assert/strict'
import { parseAllDocuments } from 'yaml'
import { type AnyResource, buildResourceSet, type ResourceSet } from '../../src/api/resource-set.ts'
import { systemClock } from '../../src/base/clock.ts'
import { textSource } from '../../src/config/source-cache.ts'
import { Loader } from '../../src/config/loader.ts'
import {
  createCertificateAuthority,
  type IssuedCertificate,
} from '../../src/wire/issue-certificate.ts'
import { testCertificate } from '../support/certificates.ts'

/** The wall clock of every golden: expired certificates ended before it, the others last beyond it. */
export const GOLDEN_NOW = Date.UTC(2026, 5, 1)

const PLACEHOLDER = /\{\{(cert|key|ca) ([^}]+)\}\}/g
const DAY_MS = 86_400_000
const issued = new Map<string, Promise<IssuedCertificate>>()
const authorities = new Map<string, Promise<IssuedCertificate>>()

/** Replaces the placeholders. */
export async function withCertificates(text: string): Promise<string> {
  const pairs = new Map<string, IssuedCertificate>()
  for (const [, part = '', name = ''] of text.matchAll(PLACEHOLDER)) {
    pairs.set(`${part} ${name}`, part === 'ca' ? await authority(name) : await issue(name))
  }
  return text.replaceAll(PLACEHOLDER, (_, part: string, name: string) => {
    const pair = pairs.get(`${part} ${name}`)
    return Buffer.from((part === 'key' ? pair?.keyPem : pair?.certPem) ?? '').toString('base64')
  })
}

/** All files as one directory would give them; a case whose manifests are refused is a broken test. */
export function loadTexts(texts: readonly string[]): readonly AnyResource[] {
  const loader = new Loader({
    roots: [],
    unknownFields: 'reject',
    clock: systemClock,
    texts: texts.map((text, index) => textSource(`${index}.yaml`, text)),
  })
  const { resources, diagnostics } = loader.load()
  assert.deepEqual(
    diagnostics.filter(({ severity }) => severity === 'error').map(({ message }) => message),
    [],
  )
  return resources
}

export function resourceSetOf(texts: readonly string[]): ResourceSet {
  return buildResourceSet(loadTexts(texts))
}

/** One text for each document, as YAML. */
export function splitText(text: string): readonly string[] {
  return parseAllDocuments(text)
    .filter(({ contents }) => contents !== null)
    .map((document) => JSON.stringify(document.toJS()))
}

/**
 * The same objects as a cluster would hand them out: every default filled in, and metadata that
 * only an API server supplies. Times are added only where the case itself has none.
 */
export function asFromCluster(texts: readonly string[]): readonly string[] {
  const resources = loadTexts(texts)
  const hasAge = resources.some(({ object }) => object.metadata.creationTimestamp !== undefined)
  return resources.map(({ object, key }, index) =>
    JSON.stringify({
      ...object,
      metadata: {
        ...object.metadata,
        ...(key.namespace === '' ? {} : { namespace: key.namespace }),
        uid: `00000000-0000-0000-0000-${String(index).padStart(12, '0')}`,
        resourceVersion: String(1000 + index),
        generation: 7 + index,
        managedFields: [{ manager: 'kubectl', operation: 'Update' }],
        ...(hasAge ? {} : { creationTimestamp: '2026-01-01T00:00:00Z' }),
      },
    }),
  )
}

function authority(name: string): Promise<IssuedCertificate> {
  const known = authorities.get(name) ?? createCertificateAuthority(name)
  authorities.set(name, known)
  return known
}

function issue(name: string): Promise<IssuedCertificate> {
  const known = issued.get(name)
  if (known !== undefined) return known
  const words = name.split(' ')
  const dnsNames = words.filter((word) => word !== 'rsa' && word !== 'expired')
  const notAfter = words.includes('expired') ? GOLDEN_NOW - DAY_MS : GOLDEN_NOW + 365 * DAY_MS
  const pair = testCertificate(dnsNames, {
    keyType: words.includes('rsa') ? 'rsa' : 'ec',
    notBefore: new Date(GOLDEN_NOW - 30 * DAY_MS),
    notAfter: new Date(notAfter),
  })
  issued.set(name, pair)
  return pair
}
