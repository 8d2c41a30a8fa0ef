/** Client certificates for end-to-end tests: authorities, and clients of theirs as files. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type CertificateAuthority,
  createCertificateAuthority,
  type IssueOptions,
} from '../../src/wire/issue-certificate.ts'
import type { Manifest } from './manifests.ts'

export interface ClientFiles {
  readonly cert: string
  readonly key: string
}

/** A scratch directory with what the clients of a test present. */
export class ClientCertificates {
  readonly directory = mkdtempSync(join(tmpdir(), 'gwproxy-clients-'))
  #count = 0

  async issue(
    authority: CertificateAuthority,
    commonName: string,
    options: Partial<IssueOptions> = {},
  ): Promise<ClientFiles> {
    const issued = await authority.issue({ commonName, usage: 'client', ...options })
    const base = join(this.directory, String(this.#count++))
    writeFileSync(`${base}.crt`, issued.certPem)
    writeFileSync(`${base}.key`, issued.keyPem, { mode: 0o600 })
    return { cert: `${base}.crt`, key: `${base}.key` }
  }

  remove(): void {
    rmSync(this.directory, { recursive: true })
  }
}

export function authority(name: string): Promise<CertificateAuthority> {
  return createCertificateAuthority(name)
}

/** `spec.tls.frontend.default` of a Gateway; `configMap` holds the authorities. */
export function clientValidation(configMap: string, mode = 'AllowValidOnly'): Manifest {
  return { mode, caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: configMap }] }
}

export function caConfigMap(name: string, caPem: string): Manifest {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { 'ca.crt': caPem } }
}

/** For curl. */
export function presenting({ cert, key }: ClientFiles): string[] {
  return ['--cert', cert, '--key', key]
}
