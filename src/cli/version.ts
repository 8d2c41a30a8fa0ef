/** `gwproxy version`: this build and what it runs on. */
import { readFileSync } from 'node:fs'
import { EXIT, type Terminal } from './terminal.ts'

export interface VersionFacts {
  readonly gwproxy: string
  readonly gatewayApi: string
  readonly node: string
  readonly openssl: string
  readonly platform: string
}

/** The Gateway API release whose schemas and semantics this build follows. */
const GATEWAY_API_VERSION = 'v1.6.1'

export function versionFacts(): VersionFacts {
  return {
    gwproxy: packageVersion(),
    gatewayApi: GATEWAY_API_VERSION,
    node: process.versions.node,
    openssl: process.versions.openssl ?? 'unknown',
    platform: `${process.platform}-${process.arch}`,
  }
}

export function printVersion(output: 'text' | 'json', terminal: Terminal): number {
  const facts = versionFacts()
  if (output === 'json') terminal.out(JSON.stringify(facts))
  else {
    terminal.out(
      `gwproxy ${facts.gwproxy} (Gateway API ${facts.gatewayApi}), Node.js ${facts.node}, OpenSSL ${facts.openssl}, ${facts.platform}`,
    )
  }
  return EXIT.ok
}

function packageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  const manifest = JSON.parse(text) as { readonly version: string }
  return manifest.version
}
