/**
 * Which files an annotated Secret or ConfigMap is made of (operations guide section 5):
 *
 *   gwproxy.dev/from-directory: DIR
 *     fullchain.pem + privkey.pem (certbot) · tls.crt + tls.key (Kubernetes, Docker, systemd) ·
 *     fullchain.cer + one *.key (acme.sh) · one NAME.crt + NAME.key (lego) · one combined *.pem
 *   gwproxy.dev/from-files: KEY=PATH[,KEY=PATH...] | PATH
 *     separated by commas or line breaks; a PATH alone is a combined PEM: certificates and key
 *
 * Paths are relative to the manifest, or begin with ${CREDENTIALS_DIRECTORY}, where systemd puts
 * what LoadCredential= names; certificate links may lead anywhere.
 */
import { readdirSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { describeUnreadable, type Unreadable } from './path-walk.ts'

export const FROM_DIRECTORY = 'gwproxy.dev/from-directory'
export const FROM_FILES = 'gwproxy.dev/from-files'

/** A key of `data` and the file that its value comes from. */
export interface KeyFile {
  readonly key: string
  readonly path: string
  /** A combined PEM gives two keys: `certificate` and `key` take their own blocks only. */
  readonly part: 'all' | 'certificates' | 'private-key'
}

export type FileSource =
  | { readonly kind: 'directory'; readonly directory: string }
  | { readonly kind: 'files'; readonly files: readonly KeyFile[] }
  | { readonly kind: 'invalid'; readonly message: string }

export type ChosenFiles =
  | { readonly kind: 'files'; readonly files: readonly KeyFile[] }
  | ({ readonly kind: 'waiting' } & Unreadable)

const CREDENTIALS = `\${CREDENTIALS_DIRECTORY}`

/** Undefined: the object is not made of files. */
export function fileSourceOf(
  annotations: Readonly<Record<string, string>> | undefined,
  manifest: string,
  credentialsDirectory?: string,
): FileSource | undefined {
  const directory = annotations?.[FROM_DIRECTORY]
  const files = annotations?.[FROM_FILES]
  if (directory === undefined && files === undefined) return undefined
  const usesCredentials = [directory, files].some((text) => text?.includes(CREDENTIALS))
  if (usesCredentials && credentialsDirectory === undefined) {
    const message = `${CREDENTIALS} is not set here: systemd sets it in a unit with LoadCredential=`
    return { kind: 'invalid', message }
  }
  if (directory !== undefined && files !== undefined) {
    return { kind: 'invalid', message: `${FROM_DIRECTORY} and ${FROM_FILES} exclude each other` }
  }
  if (directory?.includes('\0') || files?.includes('\0')) {
    return { kind: 'invalid', message: 'a path must not hold a NUL character' }
  }
  const base = dirname(resolve(manifest))
  const pathOf = (path: string): string =>
    path.startsWith(CREDENTIALS)
      ? resolve(`${credentialsDirectory}${path.slice(CREDENTIALS.length)}`)
      : resolve(base, path)
  if (directory !== undefined) {
    const trimmed = directory.trim()
    return trimmed === ''
      ? { kind: 'invalid', message: `${FROM_DIRECTORY} must name a directory` }
      : { kind: 'directory', directory: pathOf(trimmed) }
  }
  return files === undefined ? undefined : parseFiles(files, pathOf)
}

function parseFiles(text: string, pathOf: (path: string) => string): FileSource {
  const files: KeyFile[] = []
  for (const entry of text.split(/[,\n]/).map((part) => part.trim())) {
    if (entry === '') continue
    const equals = entry.indexOf('=')
    if (equals === -1) {
      files.push(...combined(pathOf(entry)))
      continue
    }
    const key = entry.slice(0, equals).trim()
    const path = entry.slice(equals + 1).trim()
    if (!/^[-._a-zA-Z0-9]+$/.test(key) || path === '') {
      return {
        kind: 'invalid',
        message: `${FROM_FILES} must be KEY=PATH[,KEY=PATH...] or one PATH`,
      }
    }
    files.push({ key, path: pathOf(path), part: 'all' })
  }
  const twice = files.find(({ key }, index) => files.findIndex((f) => f.key === key) !== index)
  if (twice !== undefined) {
    return { kind: 'invalid', message: `${FROM_FILES} names ${twice.key} twice` }
  }
  return files.length === 0
    ? { kind: 'invalid', message: `${FROM_FILES} names no file` }
    : { kind: 'files', files }
}

/** The files of a certificate directory, by the layout of whichever tool wrote it. */
export function chooseFiles(directory: string, kind: string): ChosenFiles {
  let names: string[]
  try {
    names = readdirSync(directory).sort()
  } catch (error) {
    return { kind: 'waiting', ...describeUnreadable(directory, error) }
  }
  return kind === 'ConfigMap' ? bundleIn(directory, names) : pairIn(directory, names)
}

function bundleIn(directory: string, names: readonly string[]): ChosenFiles {
  return names.includes('ca.crt')
    ? { kind: 'files', files: [{ key: 'ca.crt', path: join(directory, 'ca.crt'), part: 'all' }] }
    : { kind: 'waiting', message: `${directory} has no ca.crt yet` }
}

function pairIn(directory: string, names: readonly string[]): ChosenFiles {
  const keys = names.filter((name) => name.endsWith('.key'))
  const certificates = names.filter((n) => n.endsWith('.crt') && !n.endsWith('.issuer.crt'))
  if (names.includes('fullchain.pem') || names.includes('privkey.pem')) {
    return pair(directory, names, 'fullchain.pem', 'privkey.pem')
  }
  if (names.includes('tls.crt') || names.includes('tls.key')) {
    return pair(directory, names, 'tls.crt', 'tls.key')
  }
  if (names.includes('fullchain.cer')) {
    return keys.length === 1
      ? pair(directory, names, 'fullchain.cer', keys[0] ?? '')
      : unclear(directory, 'fullchain.cer', '*.key', keys)
  }
  const pairs = certificates.filter((name) => keys.includes(name.replace(/\.crt$/, '.key')))
  const [certificate] = pairs
  if (pairs.length > 1) return unclear(directory, '*.crt', '*.key', pairs)
  if (certificate !== undefined) {
    return pair(directory, names, certificate, certificate.replace(/\.crt$/, '.key'))
  }
  const bundles = names.filter((name) => name.endsWith('.pem'))
  const [bundle] = bundles
  if (bundles.length > 1) return unclear(directory, '*.pem', 'the same file', bundles)
  if (bundle !== undefined) return { kind: 'files', files: combined(join(directory, bundle)) }
  return {
    kind: 'waiting',
    message: `${directory} has no certificate and key yet`,
    help: 'Expected: fullchain.pem and privkey.pem, tls.crt and tls.key, fullchain.cer and one *.key, NAME.crt and NAME.key, or one combined *.pem.',
  }
}

function pair(
  directory: string,
  names: readonly string[],
  certificate: string,
  key: string,
): ChosenFiles {
  const missing = [certificate, key].find((name) => !names.includes(name))
  if (missing !== undefined) {
    return { kind: 'waiting', message: `${directory} has no ${missing} yet` }
  }
  const authority: KeyFile[] = names.includes('ca.crt')
    ? [{ key: 'ca.crt', path: join(directory, 'ca.crt'), part: 'all' }]
    : []
  return {
    kind: 'files',
    files: [
      { key: 'tls.crt', path: join(directory, certificate), part: 'all' },
      { key: 'tls.key', path: join(directory, key), part: 'all' },
      ...authority,
    ],
  }
}

function unclear(
  directory: string,
  certificate: string,
  key: string,
  candidates: readonly string[],
): ChosenFiles {
  const found = candidates.length === 0 ? 'none' : candidates.slice(0, 4).join(', ')
  return {
    kind: 'waiting',
    message: `${directory} must hold one pair of ${certificate} and ${key}; candidates: ${found}`,
    help: `Name the files instead: ${FROM_FILES}: tls.crt=PATH,tls.key=PATH`,
  }
}

function combined(path: string): KeyFile[] {
  return [
    { key: 'tls.crt', path, part: 'certificates' },
    { key: 'tls.key', path, part: 'private-key' },
  ]
}
