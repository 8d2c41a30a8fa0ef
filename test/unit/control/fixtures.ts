/** Configuration updates and logs for tests of control. */
import type { Digest } from '../../../src/base/brand.ts'
import type { ConfigUpdate } from '../../../src/ipc/messages.ts'
import { bindKey } from '../../../src/model/identity.ts'
import type { BindPart, Part } from '../../../src/model/snapshot.ts'
import type { KeyMaterial } from '../../../src/model/tls.ts'
import type { Logger } from '../../../src/observe/log.ts'

export function digest(text: string): Digest {
  return text as Digest
}

export function bindPart(port: number, address = '127.0.0.1'): BindPart {
  return {
    kind: 'bind',
    key: bindKey('tcp', address, port),
    transport: 'tcp',
    address,
    port,
    ingress: 'tls',
    tables: [],
  }
}

export interface UpdateOptions {
  readonly generation: number
  readonly binds?: readonly BindPart[]
  /** Parts besides the binds, all of the manifest. */
  readonly others?: Readonly<Record<string, Part>>
  readonly keys?: readonly KeyMaterial[]
  /** Digests that the config thread has sent before. */
  readonly sent?: readonly string[]
}

/** A bind's digest is its key, so that equal binds are equal parts. */
export function configUpdate(options: UpdateOptions): ConfigUpdate {
  const { generation, binds = [], others = {}, keys = [], sent = [] } = options
  const parts = new Map<Digest, Part>([
    ...binds.map((bind) => [digest(bind.key), bind] as const),
    ...Object.entries(others).map(([name, part]) => [digest(name), part] as const),
  ])
  return {
    type: 'config-update',
    pass: generation,
    manifest: {
      generation,
      digest: digest([...parts.keys()].sort().join(' ')),
      binds: binds.map(({ key }) => digest(key)),
      parts: new Set([...parts.keys()].sort()),
    },
    parts: [...parts].filter(([name]) => !sent.includes(name)),
    keys,
    statuses: [],
    pending: [],
    objects: [],
    diagnostics: [],
    counts: { files: 1, objects: 0, stale: 0 },
    durationMs: 1,
  }
}

export function certificate(keyId: string): Part {
  return {
    kind: 'certificate',
    keyId: digest(keyId),
    chainPem: 'chain',
    keyType: 'ec',
    dnsNames: ['a.test'],
    notBefore: 0,
    notAfter: 1,
    fingerprint: 'ff',
    source: 'default/cert',
  }
}

export function upstream(name: string): Part {
  return {
    kind: 'upstream',
    name,
    protocol: 'tcp',
    endpoints: [{ kind: 'name', name, port: 443 }],
  }
}

export interface LoggedLine {
  readonly level: string
  readonly fields: Readonly<Record<string, unknown>>
  readonly message: string
}

export function recordingLog(): { readonly log: Logger; readonly lines: LoggedLine[] } {
  const lines: LoggedLine[] = []
  const method = (level: string) => (fields: object, message: string) =>
    void lines.push({ level, fields: { ...fields }, message })
  return {
    lines,
    log: {
      debug: method('debug'),
      info: method('info'),
      warn: method('warn'),
      error: method('error'),
    },
  }
}
