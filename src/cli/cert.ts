/** `gwproxy cert self-signed`: a local authority and certificates for trying things out. */
import { existsSync, writeFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { join } from 'node:path'
import { GwProxyError } from '../base/errors.ts'
import { makeDirectory } from '../base/make-directory.ts'
import { createCertificateAuthority, type KeyType } from '../wire/issue-certificate.ts'
import { EXIT, type Terminal } from './terminal.ts'

export interface SelfSignedOptions {
  readonly out: string
  readonly days: number
  readonly keyType: KeyType
  readonly client: boolean
  readonly force: boolean
  readonly output: 'text' | 'json'
}

/**
 * Writes `ca.crt`, `fullchain.pem` and `privkey.pem` (0600) into `out`: the layout that
 * `gwproxy.dev/from-directory` reads. The authority's key is not kept.
 */
export async function selfSigned(
  names: readonly string[],
  options: SelfSignedOptions,
  terminal: Terminal,
): Promise<number> {
  const files = {
    ca: join(options.out, 'ca.crt'),
    chain: join(options.out, 'fullchain.pem'),
    key: join(options.out, 'privkey.pem'),
  }
  const present = Object.values(files).filter((file) => existsSync(file))
  if (present.length > 0 && !options.force) {
    throw new GwProxyError(
      'GWP_OPTION_INVALID',
      `${present.join(', ')} exist already; use --force to replace them`,
    )
  }
  const authority = await createCertificateAuthority('gwproxy self-signed CA', options.keyType)
  const leaf = await authority.issue({
    commonName: names[0] ?? 'localhost',
    dnsNames: names.filter((name) => isIP(name) === 0),
    ipAddresses: names.filter((name) => isIP(name) !== 0),
    keyType: options.keyType,
    usage: options.client ? 'client' : 'server',
    notAfter: new Date(Date.now() + options.days * 86_400_000),
  })
  makeDirectory(options.out)
  writeFileSync(files.ca, authority.certPem)
  writeFileSync(files.chain, leaf.certPem)
  writeFileSync(files.key, leaf.keyPem, { mode: 0o600 })
  if (options.output === 'json') terminal.out(JSON.stringify({ names, files }))
  else {
    terminal.out(`Wrote ${files.chain} and ${files.key} for ${names.join(', ')}.`)
    for (const line of options.client ? clientHelp(files) : serverHelp(files, options.out)) {
      terminal.out(line)
    }
  }
  return EXIT.ok
}

function serverHelp(files: { readonly ca: string }, out: string): readonly string[] {
  return [
    `Clients trust it with ${files.ca}, for example: curl --cacert ${files.ca}`,
    `In a Secret: metadata.annotations: { gwproxy.dev/from-directory: ${out} } (relative to the YAML file)`,
  ]
}

function clientHelp(files: Readonly<Record<'ca' | 'chain' | 'key', string>>): readonly string[] {
  return [
    `It is shown by: curl --cert ${files.chain} --key ${files.key}`,
    `Trusted by a ConfigMap: metadata.annotations: { gwproxy.dev/from-files: ca.crt=${files.ca} } (relative to the YAML file)`,
  ]
}
