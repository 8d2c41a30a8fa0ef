/**
 * `gwproxy explain`: what a request meets. The running daemon answers from what it serves; with
 * `--config` the files are explained as a daemon would serve them, and no daemon is asked.
 */
import { existsSync } from 'node:fs'
import { GwProxyError } from '../base/errors.ts'
import type { AdminClient } from '../control/admin/client.ts'
import { loadOnce } from '../control/load-once.ts'
import { translateOptionsOf } from '../control/options.ts'
import { explainRequest } from '../data/explain/explain.ts'
import { bindsOf } from '../data/explain/places.ts'
import { questionOf } from '../data/explain/question.ts'
import type { ExplainReport, ExplainRequest, Explanation } from '../model/explanation.ts'
import { explanationText } from './explain-text.ts'
import { type RunFlags, runOptionsOf } from './run-options.ts'
import { EXIT, type Terminal } from './terminal.ts'

export interface ExplainFlags extends RunFlags {
  readonly method: string
  readonly header: readonly string[]
  readonly address?: string
  readonly output: 'text' | 'json'
}

/** Exit 1 when an address of the port would not serve the request, or none has the port. */
export async function explain(
  url: string,
  flags: ExplainFlags,
  source: AdminClient | 'files',
  terminal: Terminal,
): Promise<number> {
  const { method, header: headers, address } = flags
  const request = { url, method, headers, ...(address !== undefined && { address }) }
  // The daemon would refuse it as well, but wrong usage is told without one.
  const question = questionOf(request)
  const { note, explanations } = await answerTo(request, flags, source)
  const serves = explanations.length > 0 && explanations.every((one) => one.serves)
  if (flags.output === 'json') terminal.out(JSON.stringify({ ...note.json, explanations }, null, 2))
  else terminal.out([note.text, ...explanations.map(explanationText)].join('\n\n'))
  if (explanations.length === 0) {
    const { address: at, port } = question
    terminal.err(
      `gwproxy: no listener has ${at === undefined ? '' : `address ${at} and `}port ${port}`,
    )
  }
  return serves ? EXIT.ok : EXIT.problems
}

interface Answer {
  /** Whose answer it is. */
  readonly note: { readonly text: string; readonly json: object }
  readonly explanations: readonly Explanation[]
}

async function answerTo(
  request: ExplainRequest,
  flags: ExplainFlags,
  source: AdminClient | 'files',
): Promise<Answer> {
  if (source === 'files') return await explainFiles(request, flags)
  const { explanations, ...json } = await askDaemon(source, request)
  const { generation, awaited } = json
  const late = awaited === undefined ? '' : `; generation ${awaited} is not served everywhere yet`
  return {
    note: { text: `The running daemon, generation ${generation}${late}:`, json },
    explanations,
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

async function explainFiles(request: ExplainRequest, flags: ExplainFlags): Promise<Answer> {
  const options = runOptionsOf(flags)
  const missing = options.configDirs.find((path) => !existsSync(path))
  if (missing !== undefined) {
    throw new GwProxyError(
      'GWP_OPTION_INVALID',
      `--config ${missing}: there is no such file or directory`,
    )
  }
  const { translation } = await loadOnce({
    roots: options.configDirs,
    unknownFields: options.unknownFields,
    translate: translateOptionsOf(options),
  })
  return {
    note: {
      text: `The files of ${options.configDirs.join(', ')}:`,
      json: { files: options.configDirs },
    },
    explanations: await explainRequest(request, {
      parts: translation.parts,
      binds: bindsOf(translation),
    }),
  }
}
