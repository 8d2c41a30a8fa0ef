/** Files and backends for `SteadyLoad`, and what its figures must be when no client noticed anything. */
import assert from 'node:assert/strict'
import { testAuthority, testCertificate } from './certificates.ts'
import { startOrigin } from './http-origin.ts'
import {
  backendRef,
  gateway,
  httpListener,
  httpRoute,
  service,
  tlsListener,
  tlsRoute,
  tlsSecret,
  yaml,
} from './manifests.ts'
import { type LoadResult, SteadyLoad } from './steady-load.ts'
import { startTlsEchoOrigin } from './tls-origin.ts'

export const HTTP = 8080
export const TLS = 8443

export interface LoadedWorld {
  readonly files: Readonly<Record<string, string>>
  readonly ca: string
  close(): void
}

export async function makeLoadedWorld(): Promise<LoadedWorld> {
  const web = await startOrigin((_request, response) => response.end('ok'))
  const passed = await testCertificate(['pass.test'])
  const echo = await startTlsEchoOrigin({ cert: passed.certPem, key: passed.keyPem })
  const files = {
    'all.yaml': yaml(
      gateway([
        httpListener('http', HTTP),
        tlsListener('web', TLS, 'web.test', ['web'], 'HTTPS'),
        tlsListener('pass', TLS, 'pass.test', 'passthrough'),
      ]),
      tlsSecret('web', await testCertificate(['web.test'])),
      httpRoute('web', undefined, [{ backendRefs: [backendRef('web')] }]),
      tlsRoute('pass', ['pass.test'], [backendRef('echo')], { sectionName: 'pass' }),
      ...service('web', 80, [{ address: '127.0.0.1', port: web.port }]),
      ...service('echo', 80, [{ address: '127.0.0.1', port: echo.port }]),
    ),
  }
  return {
    files,
    ca: (await testAuthority()).certPem,
    close: () => {
      web[Symbol.dispose]()
      echo.close()
    },
  }
}

export function loadOn(address: string, { ca }: LoadedWorld): SteadyLoad {
  return new SteadyLoad({
    ...{ address, ca, httpPort: HTTP, tlsPort: TLS },
    ...{ h2Name: 'web.test', passthroughName: 'pass.test' },
  })
}

/** No client noticed anything, and there were some: of each kind at least `least` requests. */
export function assertUnharmed(
  { requests, failures, refused, slowestMs }: LoadResult,
  least: number,
): string {
  assert.deepEqual(failures, [])
  // No rate: it is kept as well as the machine lets, and what is late is made up for.
  for (const [kind, count] of Object.entries(requests)) {
    assert.ok(count >= least, `${count} requests of kind ${kind} are too few`)
  }
  const total = Object.values(requests).reduce((sum, count) => sum + count, 0)
  return `${total} requests, 0 failed, ${refused} begun again, slowest ${Math.round(slowestMs)} ms`
}
