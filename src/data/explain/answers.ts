/** Answers of gwproxy itself, as the outcome table and the data plane's own replies have them. */
import { assertNever } from '../../base/assert-never.ts'
import type { ExplainedAnswer, ExplainedReply } from '../../model/explanation.ts'
import { outcomeRow, type Reason } from '../../model/outcome.ts'
import type { Fields } from '../http/fields.ts'
import { type LocalReply, localReply } from '../http/local-reply.ts'
import type { Facts } from './scene.ts'

export function answered(answer: ExplainedAnswer): Facts {
  return { answer, serves: isServed(answer) }
}

/** A connection that ends without an answer. */
export function closed(reason: Reason): Facts {
  return answered(closedBy(reason))
}

export function closedBy(reason: Reason): ExplainedAnswer {
  return { kind: 'closed', how: outcomeRow(reason).l4, reason }
}

/** A request that is refused. */
export function refused(reason: Reason, isGrpc: boolean): Facts {
  return answered(refusedBy(reason, isGrpc))
}

/** Takes the fields of a reply through the filters of responses. */
export type Shape = (fields: Fields) => void

export function refusedBy(reason: Reason, isGrpc: boolean, shape?: Shape): ExplainedAnswer {
  const reply = localReply(reason, isGrpc)
  if (reply.status === 0) return closedBy(reason)
  const { grpcStatus } = outcomeRow(reason)
  return { ...replied({ reply, reason }, shape), ...(isGrpc && { grpcStatus }) }
}

/** A reply as the client gets it. */
export function replied(
  { reply, reason }: { readonly reply: LocalReply; readonly reason: Reason },
  shape?: Shape,
): ExplainedReply {
  shape?.(reply.fields)
  const location = reply.fields.get('location')
  const fields = corsLines(reply.fields.toRaw())
  return {
    kind: 'reply',
    reason,
    status: reply.status,
    ...(location !== undefined && { location }),
    ...(fields.length > 0 && { fields }),
  }
}

/** `Name: value`; no others, since their values may be secrets of the configuration. */
export function corsLines(raw: readonly string[]): readonly string[] {
  return raw.flatMap((name, index) =>
    index % 2 === 0 && /^access-control-/i.test(name) ? [`${name}: ${raw[index + 1]}`] : [],
  )
}

function isServed(answer: ExplainedAnswer): boolean {
  switch (answer.kind) {
    case 'forward':
    case 'http':
      return true
    case 'reply':
      return outcomeRow(answer.reason).side === 'none'
    case 'closed':
    case 'not-listening':
      return false
    default:
      return assertNever(answer)
  }
}
