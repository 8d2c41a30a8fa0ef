/** `gwproxy explain`: what the files make of one request, without serving them. */
import { existsSync } from 'node:fs'
import { GwProxyError } from '../base/errors.ts'
import { loadOnce } from '../control/load-once.ts'
import { translateOptionsOf } from '../control/options.ts'
import type { BindPart, ChainTable } from '../model/snapshot.ts'
import {
  type Explanation,
  explainRequest,
  isAddress,
  type Parts,
  type Question,
} from './explanation.ts'
import { type RunFlags, runOptionsOf } from './run-options.ts'
import { EXIT, type Terminal, table } from './terminal.ts'

export interface ExplainFlags extends RunFlags {
  readonly method: string
  readonly header: readonly string[]
  readonly address?: string
  readonly output: 'text' | 'json'
}

const PORTS = { 'https:': 443, 'http:': 80, 'tls:': 443, 'tcp:': 0 } as const

/** Exit 1 when the request would not be served. */
export async function explain(
  url: string,
  flags: ExplainFlags,
  terminal: Terminal,
): Promise<number> {
  const { question, port } = questionOf(url, flags)
  const options = runOptionsOf(flags)
  const missing = options.configDirs.find((path) => !existsSync(path))
  if (missing !== undefined) throw usage(`--config ${missing}: there is no such file or directory`)
  const { translation } = await loadOnce({
    roots: options.configDirs,
    unknownFields: options.unknownFields,
    translate: translateOptionsOf(options),
  })
  const address = flags.address ?? (isAddress(question.host) ? question.host : undefined)
  const place = placeOf(translation.parts, port, address)
  if (place === undefined) {
    terminal.err(`gwproxy: no listener has ${address ?? 'any address'} port ${port}`)
    return EXIT.problems
  }
  const explanation = explainRequest(translation.parts, place.bind, place.table, question)
  terminal.out(flags.output === 'json' ? JSON.stringify(explanation, null, 2) : textOf(explanation))
  return explanation.serves ? EXIT.ok : EXIT.problems
}

function questionOf(url: string, flags: ExplainFlags): { question: Question; port: number } {
  const parts = /^(https?|tls|tcp):\/\/(\[[^\]]+\]|[^/:?#]+)(?::([0-9]{1,5}))?([/?][^#]*)?$/.exec(
    url,
  )
  const [, scheme, host = '', port, rest = '/'] = parts ?? []
  if (scheme !== 'https' && scheme !== 'http' && scheme !== 'tls' && scheme !== 'tcp') {
    throw usage(`${url}: expected https://, http://, tls:// or tcp:// and a host`)
  }
  const fields = flags.header.flatMap((line) => {
    const colon = line.indexOf(':')
    if (colon < 1) throw usage(`-H ${line}: expected 'Name: value'`)
    return [line.slice(0, colon), line.slice(colon + 1).trim()]
  })
  const hasHost = fields.some((text, index) => index % 2 === 0 && text.toLowerCase() === 'host')
  const authority = port === undefined ? host : `${host}:${port}`
  return {
    port: port === undefined ? PORTS[`${scheme}:`] : Number(port),
    question: {
      scheme,
      host: host.replace(/^\[|\]$/g, ''),
      method: flags.method,
      target: rest.startsWith('/') ? rest : `/${rest}`,
      fields: hasHost ? fields : ['Host', authority, ...fields],
    },
  }
}

interface Place {
  readonly bind: BindPart
  readonly table: ChainTable
}

function placeOf(parts: Parts, port: number, address: string | undefined): Place | undefined {
  const places = [...parts.values()].flatMap((part) =>
    part.kind === 'bind' && part.transport === 'tcp' && part.port === port
      ? part.tables.map((table) => ({ bind: part, table }))
      : [],
  )
  if (address === undefined) {
    if (places.length > 1)
      throw usage(`several addresses have port ${port}: choose one by --address`)
    return places[0]
  }
  const own = places.filter(({ bind }) => bind.address === address)
  const wild = places.filter(({ bind }) => bind.address === '::' || bind.address === '0.0.0.0')
  const candidates = own.length > 0 ? own : wild
  return (
    candidates.find(({ table: { localAddresses } }) => localAddresses.includes(address)) ??
    candidates.find(({ table: { localAddresses } }) => localAddresses.includes('*'))
  )
}

function textOf({ otherListeners, otherRules, serves: _, ...facts }: Explanation): string {
  const rows = Object.entries(facts).map(([name, value]) => [
    name,
    typeof value === 'string' ? value : value.join('; ') || '-',
  ])
  const losers = [
    ...otherListeners.map(({ name, why }) => ['not', name, why]),
    ...otherRules.map(({ name, why }) => ['not', name, why]),
  ]
  return [table(rows), ...(losers.length === 0 ? [] : [table(losers)])].join('\n\n')
}

function usage(message: string): GwProxyError {
  return new GwProxyError('GWP_OPTION_INVALID', message)
}
