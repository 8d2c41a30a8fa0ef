/**
 * Which streams the HTTP/2 sessions of this process have: on handles, once `openHandles` has found that
 * they work as we know them (ADR 13), else Node's own.
 */
import { messageOf } from '../../../base/errors.ts'
import type { ClientHttp2Session, ServerHttp2Session, ServerHttp2Stream } from 'node:http2'
import type { ClientSink, ClientStream, ServerSink, ServerStream } from './handle-contract.ts'
import { HandleServerStream, requestOnHandle, useHandles } from './handle-stream.ts'
import { NodeServerStream, requestOnNode } from './node-streams.ts'
import { tryHandles } from './self-test.ts'

export interface AcceptedStream extends ServerStream {
  /** Set once: who is told from here on. */
  set sink(sink: ServerSink)
}

let verdict: Promise<string | undefined> | undefined
let doHandlesWork = false
let wanted: 'handles' | 'node' = 'handles'

/** undefined: they work, and are used from here on; else what does not. Tried once. */
export function openHandles(): Promise<string | undefined> {
  verdict ??= tryHandles().then(
    () => {
      doHandlesWork = true
      return undefined
    },
    (error: unknown) => messageOf(error),
  )
  return verdict
}

/** What sessions use from here on, where handles work; `handles` to begin with. */
export function useStreams(kind: 'handles' | 'node'): void {
  wanted = kind
}

function areHandlesUsed(): boolean {
  return doHandlesWork && wanted === 'handles'
}

/** Before the session's first request; `rawHeaders` with pseudo-fields. */
export function acceptStreams(
  session: ServerHttp2Session,
  onStream: (stream: AcceptedStream, rawHeaders: readonly string[]) => void,
): void {
  if (areHandlesUsed()) useHandles(session)
  // Node tells the server, too, where nobody listens.
  session.removeAllListeners('stream')
  session.on(
    'stream',
    (own: ServerHttp2Stream | HandleServerStream, _headers, _flags, raw = []) => {
      onStream(own instanceof HandleServerStream ? own : new NodeServerStream(own), raw)
    },
  )
}

/** Throws when the session can take no stream, or `raw` cannot be sent. */
export function openStream(
  session: ClientHttp2Session,
  raw: readonly string[],
  endStream: boolean,
  sink: ClientSink,
): ClientStream {
  const open = areHandlesUsed() ? requestOnHandle : requestOnNode
  return open(session, raw, endStream, sink)
}
