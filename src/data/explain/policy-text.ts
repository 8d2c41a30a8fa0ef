/** What a rule wants besides its filters, in words. */
import type { HttpRetry, HttpRule, HttpSession, HttpTimeouts } from '../../model/http.ts'

export function policyWords({ timeouts, retry, session }: HttpRule): readonly string[] {
  return [...timeoutWords(timeouts), ...retryWords(retry), ...sessionWords(session)]
}

function timeoutWords({ requestMs, backendRequestMs }: HttpTimeouts): readonly string[] {
  return [
    ...(requestMs === undefined ? [] : [`request timeout ${requestMs} ms`]),
    ...(backendRequestMs === undefined ? [] : [`backend timeout ${backendRequestMs} ms`]),
  ]
}

function retryWords(retry: HttpRetry | undefined): readonly string[] {
  if (retry === undefined) return []
  const { attempts, codes, backoffMs } = retry
  const statuses = codes.length === 0 ? '' : ` of ${codes.join(', ')}`
  return [`${attempts} retries${statuses}, ${backoffMs} ms apart`]
}

function sessionWords(session: HttpSession | undefined): readonly string[] {
  if (session === undefined) return []
  const { carrier, absoluteMs } = session
  const limit = absoluteMs === undefined ? '' : `, for ${absoluteMs} ms`
  return [`session by ${carrier.kind} ${carrier.name}${limit}, before the weights`]
}
