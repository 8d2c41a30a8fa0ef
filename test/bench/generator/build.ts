/** Compiles the load generator into a directory. Needs cc; TLS loads need OpenSSL's headers too. */
import { execFileSync, spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'

export interface Generator {
  readonly path: string
  readonly hasTls: boolean
}

/** Throws with what to install when there is no C compiler. */
export function buildGenerator(directory: string): Generator {
  const path = join(directory, 'load')
  const sources = readdirSync(import.meta.dirname)
    .filter((name) => name.endsWith('.c'))
    .map((name) => join(import.meta.dirname, name))
  const plain = ['-O2', '-Wall', '-o', path]
  const hasTls = spawnSync('cc', ['-E', '-include', 'openssl/ssl.h', '-x', 'c', '/dev/null'])
  if (hasTls.error !== undefined) {
    throw new Error(
      'the bench compiles its load generator: install a C compiler (apt: gcc libc6-dev)',
    )
  }
  if (hasTls.status === 0) {
    execFileSync('cc', [...plain, '-DWITH_TLS', ...sources, '-lssl', '-lcrypto'])
    return { path, hasTls: true }
  }
  execFileSync('cc', [...plain, ...sources.filter((name) => !name.endsWith('handshakes.c'))])
  return { path, hasTls: false }
}
