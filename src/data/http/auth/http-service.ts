/**
 * External auth over HTTP (GEP-1494, `protocol: HTTP`): the request itself is asked, without what the
 * service need not see. 200 allows it; 3xx and 4xx are the service's own answer to the client; any
 * other status is none, as for Envoy.
 */
import type { AuthService } from '../../../model/http-filter.ts'
import { Fields } from '../fields.ts'
import type { Outgoing } from '../forward.ts'
import { isOwnField, prepareResponseFields, sealRequestFields } from '../headers.ts'
import type { RequestHead } from '../normalize.ts'
import type { RequestBody } from '../request-body.ts'
import type { AuthAnswer } from './call.ts'
import type { FieldEdit, Verdict } from './verdict.ts'

export type HttpAuthService = Extract<AuthService, { kind: 'http' }>

/** `body`: read to its end. `Content-Length` is that of what is sent, so 0 without it. */
export function httpQuestion(
  service: HttpAuthService,
  head: RequestHead,
  body: RequestBody | undefined,
): Outgoing {
  const fields = Fields.fromRaw(head.fields.toRaw())
  fields.removeWhere((key) => key !== 'authorization' && !service.requestHeaders.includes(key))
  return {
    method: head.method,
    target: service.pathPrefix + head.target,
    host: head.authority.text,
    fields: sealRequestFields(fields).raw,
    body,
    contentLength: body?.replay.length ?? 0,
    websocket: false,
  }
}

export function httpVerdict(service: HttpAuthService, answer: AuthAnswer): Verdict {
  const { status, rawFields, body } = answer
  const fields = Fields.fromRaw(rawFields)
  prepareResponseFields(fields)
  if (status === 200) {
    const request = copied(service.responseHeaders, fields)
    return {
      kind: 'allowed',
      permission: { request, response: [], query: { set: [], remove: [] } },
    }
  }
  if (status < 300 || status > 499) return { kind: 'failed', detail: `answered ${status}` }
  return { kind: 'denied', reply: { status, fields, body } }
}

/**
 * The listed fields are the service's alone, so those of the client go even when it sent none. What
 * describes the content of the answer would misdescribe that of the request.
 */
function copied(listed: 'all' | readonly string[], fields: Fields): readonly FieldEdit[] {
  const isCopied = (key: string): boolean =>
    listed === 'all' ? !isOwnField(key) && !key.startsWith('content-') : listed.includes(key)
  const edits: FieldEdit[] = []
  const raw = fields.toRaw()
  const added: FieldEdit[] = []
  const names = new Set<string>(listed === 'all' ? [] : listed)
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] ?? ''
    const key = name.toLowerCase()
    if (!isCopied(key)) continue
    names.add(key)
    added.push({ action: 'add', name, value: raw[i + 1] ?? '' })
  }
  for (const name of names) edits.push({ action: 'remove', name, value: '' })
  return [...edits, ...added]
}
