/**
 * `gwproxy explain`: what a request meets. The running daemon answers from what it serves; with
 * `--config` the files are explained as a daemon would serve them, and no daemon is asked.
 */
import { GwProxyError } from '../base/errors.ts'
import type { AdminClient } from '../control/admin/client.ts'
import { type Question, questionOf } from '../data/explain/question.ts'
import type { ExplainReport, ExplainRequest, Explanations } from '../model/explanation.ts'
import { explanationText } from './explain-text.ts'
import type { RunFlags } from './run-options.ts'
import { EXIT, type Terminal } from './terminal.ts'

export interface ExplainFlags extends RunFlags {
  readonly method: string
  readonly header: readonly string[]
  readonly address?: string
  readonly output: 'text' | 'json'
}

/** Who explains. */
export type ExplainSource = (request: ExplainRequest) => Promise<SourcedExplanations>

export interface SourcedExplanations extends Explanations {
  readonly source: { readonly text: string; readonly json: object }
}

/** Exit 1 when an address of the port would not serve the request, or none has the port. */
export async function explain(
  url: string,
  flags: ExplainFlags,
  source: ExplainSource,
  terminal: Terminal,
): Promise<number> {
  const { method, header: headers, address } = flags
  const request = { url, method, headers, ...(address !== undefined && { address }) }
  // The daemon would refuse it as well, but wrong usage is told without one.
  const question = questionOf(request)
  const { source: whose, explanations, elsewhere } = await source(request)
  const serves = explanations.length > 0 && explanations.every((one) => one.serves)
  if (flags.output === 'json')
    terminal.out(JSON.stringify({ ...whose.json, explanations, elsewhere }, null, 2))
  else terminal.out([whose.text, ...explanations.map(explanationText)].join('\n\n'))
  if (explanations.length === 0) {
    terminal.err(`gwproxy: ${missText(question, elsewhere)}`)
  }
  return serves ? EXIT.ok : EXIT.problems
}

function missText({ address, port }: Question, elsewhere: Explanations['elsewhere'] = []): string {
  if (elsewhere.length === 0) return 'no listener is served at all; gwproxy check tells why'
  const where = address === undefined ? `port ${port}` : `address ${address} and port ${port}`
  return `no listener has ${where}; there are: ${elsewhere.join(', ')}`
}

/** The running daemon. */
export function daemonSource(client: AdminClient): ExplainSource {
  return async (request) => {
    const { generation, awaited, ...answers } = await askDaemon(client, request)
    const late = awaited === undefined ? '' : `; generation ${awaited} is not served everywhere yet`
    return {
      source: {
        text: `The running daemon, generation ${generation}${late}:`,
        json: { generation, ...(awaited !== undefined && { awaited }) },
      },
      ...answers,
    }
  }
}

async function askDaemon(client: AdminClient, request: ExplainRequest): Promise<ExplainReport> {
  try {
    return await client.post<ExplainReport>('/explain', request)
  } catch (cause) {
    if (!(cause instanceof GwProxyError) || cause.code !== 'GWP_ADMIN_UNREACHABLE') throw cause
    const message = `${cause.message}; files are explained with --config`
    throw new GwProxyError(cause.code, message, { cause })
  }
}
