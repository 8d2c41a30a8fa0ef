/**
 * Runs h2spec against a whole gwproxy, in the clear and over TLS, and prints each case that failed. What
 * fails with a reason is in EXCEPTIONS; exit code 1 for anything else.
 */
import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startHttpBackend } from '../../demo/backends.ts'
import { testCertificate } from '../support/certificates.ts'
import { startDaemon } from '../support/daemon.ts'
import {
  backendRef,
  gateway,
  httpListener,
  httpRoute,
  service,
  tlsListener,
  tlsSecret,
  yaml,
} from '../support/manifests.ts'

const NO_PRIORITIES =
  'RFC 9113 section 5.3: priorities of RFC 7540 mean nothing, nor do their errors'

/** Cases that fail, with the reason. */
const EXCEPTIONS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  h2c: {
    'http2/3.5: Sends invalid connection preface':
      'what does not begin as the preface is HTTP/1.1 on a port of both: it gets a 400',
    'http2/5.3.1: Sends HEADERS frame that depend on itself': NO_PRIORITIES,
    'http2/5.3.1: Sends PRIORITY frame that depend on itself': NO_PRIORITIES,
  },
  TLS: {
    'http2/5.3.1: Sends HEADERS frame that depend on itself': NO_PRIORITIES,
    'http2/5.3.1: Sends PRIORITY frame that depend on itself': NO_PRIORITIES,
  },
}

/** No case takes longer, but for those that fail. */
const CASE_SECONDS = '2'

interface Case {
  readonly section: string
  readonly text: string
  readonly failure: string | undefined
}

const [binary = 'h2spec', ...args] = process.argv.slice(2)
const backend = await startHttpBackend('backend')
const daemon = await startDaemon({
  files: {
    'all.yaml': yaml(
      gateway([
        httpListener('http', 8080),
        tlsListener('https', 8443, undefined, ['any'], 'HTTPS'),
      ]),
      tlsSecret('any', await testCertificate(['h2spec.test'])),
      httpRoute('all', undefined, [{ backendRefs: [backendRef('backend')] }]),
      ...service('backend', 80, [backend]),
    ),
  },
})
const directory = mkdtempSync(join(tmpdir(), 'h2spec-'))
let isGood = true
try {
  isGood = (await judge('h2c', ['-p', '8080'])) && isGood
  isGood = (await judge('TLS', ['-p', '8443', '-t', '-k'])) && isGood
} finally {
  rmSync(directory, { recursive: true })
  const code = await daemon.stop()
  if (code !== 0) {
    isGood = false
    process.stdout.write(`gwproxy ended with ${code}\n`)
  }
  await backend.close()
}
process.exitCode = isGood ? 0 : 1

async function judge(name: string, where: readonly string[]): Promise<boolean> {
  const report = join(directory, `${name}.xml`)
  const all = ['-h', daemon.address, ...where, '-o', CASE_SECONDS, '-S', '-j', report, ...args]
  const printed = await outputOf(all)
  const cases = existsSync(report) ? casesOf(readFileSync(report, 'utf8')) : []
  const failed = cases.filter(({ failure }) => failure !== undefined)
  const excepted = EXCEPTIONS[name] ?? {}
  const unexplained = failed.filter(({ section, text }) => !(`${section}: ${text}` in excepted))
  process.stdout.write(
    `h2spec, ${name}: ${cases.length} cases, ${failed.length - unexplained.length} excepted, ${unexplained.length} failed\n`,
  )
  for (const { section, text, failure } of unexplained) {
    process.stdout.write(`  ${section}: ${text}\n    ${failure}\n`)
  }
  if (cases.length === 0) process.stdout.write(printed)
  return cases.length > 0 && unexplained.length === 0
}

/** The backend is in this process: it must not wait. */
function outputOf(all: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    // It fails when a case does.
    execFile(binary, all, { timeout: 300_000 }, (_error, stdout, stderr) =>
      resolve(stdout + stderr),
    )
  })
}

function casesOf(xml: string): Case[] {
  const cases: Case[] = []
  const element =
    /<testcase package="([^"]*)" classname="([^"]*)"[^>]*?(?:\/>|>([\s\S]*?)<\/testcase>)/g
  for (const [, section = '', text = '', inner = ''] of xml.matchAll(element)) {
    const failure = /<(?:failure|error)[^>]*>([\s\S]*?)<\/(?:failure|error)>/.exec(inner)
    cases.push({ section, text, failure: failure?.[1] })
  }
  return cases
}
