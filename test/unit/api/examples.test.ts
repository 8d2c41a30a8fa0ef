/**
 * Upstream's examples in ../shared/gateway-api (skipped when that directory is absent): every
 * manifest is admitted, every invalid example is refused at the place that this table names.
 */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { parseAllDocuments } from 'yaml'
import type { ZodSafeParseResult, ZodType } from 'zod'
import { findKind } from '../../../src/api/kinds.ts'
import { formatPath } from '../../../src/model/diagnostic.ts'
import type { DocumentPath } from '../../../src/model/diagnostic.ts'
import { SHARED } from '../../support/crd.ts'

const skip = existsSync(SHARED) ? false : 'no ../shared/gateway-api beside the repository'

const INVALID: Readonly<Record<string, readonly string[]>> = {
  'experimental/httproute/invalid-filter-externalauth-bad-http-path.yaml': [
    'spec.rules[0].filters[0].externalAuth.backendRef',
    'spec.rules[0].filters[0].externalAuth.http.path',
  ],
  'experimental/httproute/invalid-filter-externalauth-empty.yaml': [
    'spec.rules[0].filters[0].externalAuth',
  ],
  'experimental/httproute/invalid-filter-externalauth-no-protocol.yaml': [
    'spec.rules[0].filters[0].externalAuth.protocol',
    'spec.rules[0].filters[0].externalAuth.backendRef',
  ],
  'experimental/httproute/invalid-header-value.yaml': [
    'spec.rules[0].filters[0].responseHeaderModifier.add[0].value',
  ],
  'standard/gateway/duplicate-listeners.yaml': ['spec.listeners[1].name'],
  'standard/gateway/hostname-tcp.yaml': ['spec.listeners[0].hostname'],
  'standard/gateway/hostname-udp.yaml': ['spec.listeners[0].hostname'],
  'standard/gateway/invalid-addresses.yaml': [
    ...[0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((index) => `spec.addresses[${index}].value`),
  ],
  'standard/gateway/invalid-listener-name.yaml': ['spec.listeners[0].name'],
  'standard/gateway/invalid-listener-port.yaml': ['spec.listeners[0].port'],
  'standard/gateway/invalid-tls-mode.yaml': ['spec.listeners[0].tls.mode'],
  'standard/gateway/tlsconfig-tcp.yaml': ['spec.listeners[0].tls'],
  'standard/gatewayclass/invalid-controller.yaml': ['spec.controllerName'],
  'standard/httproute/duplicate-header-match.yaml': ['spec.rules[0].matches[0].headers[1].name'],
  'standard/httproute/duplicate-query-match.yaml': ['spec.rules[0].matches[0].queryParams[1].name'],
  'standard/httproute/httproute-portless-backend.yaml': ['spec.rules[0].backendRefs[0].port'],
  'standard/httproute/httproute-portless-service.yaml': ['spec.rules[0].backendRefs[0].port'],
  'standard/httproute/invalid-backend-group.yaml': ['spec.rules[0].backendRefs[0].group'],
  'standard/httproute/invalid-backend-kind.yaml': ['spec.rules[0].backendRefs[0].kind'],
  'standard/httproute/invalid-backend-port.yaml': ['spec.rules[0].backendRefs[0].port'],
  'standard/httproute/invalid-filter-duplicate-header.yaml': [
    'spec.rules[0].filters[0].requestHeaderModifier.remove[1]',
  ],
  'standard/httproute/invalid-filter-duplicate.yaml': ['spec.rules[0].filters[1].type'],
  'standard/httproute/invalid-filter-empty.yaml': [
    'spec.rules[0].filters[0].requestHeaderModifier',
  ],
  'standard/httproute/invalid-filter-wrong-field.yaml': [
    'spec.rules[0].filters[0].requestHeaderModifier',
    'spec.rules[0].filters[0].requestRedirect',
  ],
  'standard/httproute/invalid-header-name.yaml': ['spec.rules[0].matches[0].headers[0].name'],
  'standard/httproute/invalid-hostname.yaml': [
    'spec.hostnames[0]',
    'spec.rules[0].backendRefs[0].port',
  ],
  'standard/httproute/invalid-httpredirect-hostname.yaml': [
    'spec.rules[0].backendRefs',
    'spec.rules[0].filters[0].requestRedirect.hostname',
  ],
  'standard/httproute/invalid-method.yaml': ['spec.rules[0].matches[0].method'],
  'standard/httproute/invalid-path-alphanum-specialchars-mix.yaml': [
    'spec.rules[0].matches[0].path.value',
  ],
  'standard/httproute/invalid-path-specialchars.yaml': ['spec.rules[0].matches[0].path.value'],
  'standard/httproute/invalid-request-redirect-with-backendref.yaml': ['spec.rules[0].backendRefs'],
  'standard/referencegrant/missing-from.yaml': ['spec.from'],
  'standard/referencegrant/missing-ns.yaml': ['spec.from[0].namespace'],
  'standard/referencegrant/missing-to.yaml': ['spec.to'],
  'standard/tlsroute/invalid-hostname.yaml': [
    'spec.hostnames[0]',
    'spec.rules[0].backendRefs[0].port',
  ],
  'standard/tlsroute/no-hostname.yaml': ['spec.hostnames', 'spec.rules[0].backendRefs[0].port'],
}

describe('upstream examples', { skip }, () => {
  for (const family of ['examples-standard', 'examples-experimental']) {
    test(`${family}: every manifest is admitted`, () => {
      const files = manifestsIn(family)
      assert.ok(files.length > 0)
      for (const file of files) {
        for (const result of admit(join(family, file))) {
          assert.ok(result.success, `${file}: ${result.error}`)
        }
      }
    })
  }

  test('the table names every invalid example', () => {
    assert.deepEqual(manifestsIn('invalid-examples'), Object.keys(INVALID).sort())
  })

  for (const [file, paths] of Object.entries(INVALID)) {
    test(`${file} is refused where it is wrong`, () => {
      const results = admit(join('invalid-examples', file))
      const found = results.flatMap((result) =>
        (result.error?.issues ?? []).map((issue) => formatPath(issue.path as DocumentPath)),
      )
      assert.deepEqual(found.sort(), [...paths].sort())
    })
  }
})

function manifestsIn(family: string): string[] {
  return readdirSync(join(SHARED, family), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.yaml'))
    .sort()
}

function admit(file: string): ZodSafeParseResult<unknown>[] {
  const documents = parseAllDocuments(readFileSync(join(SHARED, file), 'utf8'))
  return [...documents]
    .map((document) => document.toJS() as { apiVersion: string; kind: string } | null)
    .filter((value) => value !== null)
    .flatMap((value) => {
      const lookup = findKind(value.apiVersion, value.kind)
      if (lookup.kind === 'foreign') return []
      assert.equal(lookup.kind, 'known', `${file}: ${value.apiVersion} ${value.kind}`)
      if (lookup.kind !== 'known') return []
      const schema: ZodType = lookup.entry.schema
      return [schema.safeParse(value)]
    })
}
