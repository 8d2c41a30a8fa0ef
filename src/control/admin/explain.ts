/**
 * `POST /explain`: what a request meets, from the snapshot that the workers serve and their own
 * words on endpoints and sockets. The data plane explains; `main.ts` brings it here.
 */
import { GwProxyError } from '../../base/errors.ts'
import type {
  Explained,
  ExplainReport,
  ExplainRequest,
  Explanations,
  LiveState,
} from '../../model/explanation.ts'
import type { ControlPlane } from '../control-plane.ts'
import type { WorkerEndpoints } from './contract.ts'
import { type Answer, json, refuse } from './http-listener.ts'

export type Explain = (request: ExplainRequest, explained: Explained) => Promise<Explanations>

/** What of the control plane an explanation is made of. */
export interface ExplainPlane {
  readonly publisher: Pick<ControlPlane['publisher'], 'target' | 'served' | 'settlement'>
  readonly supervisor: { readonly workers: readonly Pick<WorkerEndpoints, 'endpoints'>[] }
  readonly names: ControlPlane['names']
}

/** `body` is what came: JSON of an ExplainRequest, or a refusal that says so. */
export async function explainAnswer(
  plane: ExplainPlane,
  explain: Explain,
  body: string,
): Promise<Answer> {
  const request = requestOf(body)
  if (request === undefined) return refuse(400, 'expected JSON: {url, method?, headers?, address?}')
  const { served, target } = plane.publisher
  if (served === undefined) return refuse(503, 'no configuration is served yet')
  const { parts, binds } = served
  const { generation } = served.manifest
  const newest = target?.manifest.generation ?? generation
  try {
    const answers = await explain(request, { parts, binds, live: liveState(plane) })
    const report: ExplainReport = {
      generation,
      ...(newest !== generation && { awaited: newest }),
      ...answers,
    }
    return json(200, report)
  } catch (error) {
    if (error instanceof GwProxyError && error.code === 'GWP_OPTION_INVALID') {
      return refuse(400, error.message)
    }
    throw error
  }
}

/** Read at the moment of the question. */
function liveState({ publisher, supervisor, names }: ExplainPlane): LiveState {
  const { served, settlement } = publisher
  // The errors of another generation are about other binds.
  const results = settlement?.generation === served?.manifest.generation ? settlement?.results : []
  return {
    bindError: (bind) => results?.find((result) => result.bind === bind)?.error?.message,
    addresses: (name) => names.addressesOf(name),
    ejectedForMs: (upstream, endpoint) =>
      Math.max(
        0,
        ...supervisor.workers.map(
          ({ endpoints }) =>
            endpoints.find((one) => one.upstream === upstream && one.endpoint === endpoint)
              ?.ejectedForMs ?? 0,
        ),
      ),
  }
}

/** undefined: not of the shape; which URL is one, the explanation says. */
function requestOf(body: string): ExplainRequest | undefined {
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null) return undefined
  const { url, method, headers = [], address } = value as Record<string, unknown>
  if (typeof url !== 'string' || !isTextOrAbsent(method) || !isTextOrAbsent(address)) {
    return undefined
  }
  if (!Array.isArray(headers) || !headers.every((line) => typeof line === 'string')) {
    return undefined
  }
  return {
    url,
    headers,
    ...(method !== undefined && { method }),
    ...(address !== undefined && { address }),
  }
}

function isTextOrAbsent(value: unknown): value is string | undefined {
  return value === undefined || typeof value === 'string'
}
