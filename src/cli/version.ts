/** `gwproxy version`: this build and what it runs on. */
import { BUILD, VERSION } from '../ipc/build.ts'
import { EXIT, type Terminal } from './terminal.ts'

export interface VersionFacts {
  readonly gwproxy: string
  /** Tells builds of one version apart. */
  readonly build: string
  readonly gatewayApi: string
  readonly node: string
  readonly openssl: string
  readonly platform: string
}

/** The Gateway API release whose schemas and semantics this build follows. */
const GATEWAY_API_VERSION = 'v1.6.1'

export function versionFacts(): VersionFacts {
  return {
    gwproxy: VERSION,
    build: BUILD,
    gatewayApi: GATEWAY_API_VERSION,
    node: process.versions.node,
    openssl: process.versions.openssl ?? 'unknown',
    platform: `${process.platform}-${process.arch}`,
  }
}

export function printVersion(output: 'text' | 'json', terminal: Terminal): number {
  const facts = versionFacts()
  if (output === 'json') terminal.out(JSON.stringify(facts))
  else terminal.out(versionLine())
  return EXIT.ok
}

export function versionLine(): string {
  const { build, gatewayApi, node, openssl, platform } = versionFacts()
  return `gwproxy ${build} (Gateway API ${gatewayApi}), Node.js ${node}, OpenSSL ${openssl}, ${platform}`
}
