/**
 * A strict origin that records the bytes of its connections and reads requests from them by the
 * letter of RFC 9112: one exact length or the one token `chunked`. Anything else is a failed test.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'

export interface RecordingOrigin {
  readonly port: number
  /** `METHOD target body` of each request since the last call. */
  take(): string[]
  /** Heads of the same requests, raw. */
  readonly heads: string[]
  close(): void
}

export async function startRecordingOrigin(): Promise<RecordingOrigin> {
  const seen: string[] = []
  const heads: string[] = []
  const sockets = new Set<net.Socket>()
  const server = net.createServer((socket) => {
    sockets.add(socket)
    let bytes = ''
    socket.setEncoding('latin1')
    socket.on('error', () => {})
    socket.on('data', (chunk: string) => {
      bytes += chunk
      for (;;) {
        const parsed = parseStrictly(bytes)
        if (parsed === undefined) return
        bytes = bytes.slice(parsed.length)
        heads.push(parsed.head)
        seen.push(parsed.summary)
        const body = `answer to ${parsed.summary}\nend of answer\n`
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`, 'latin1')
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as net.AddressInfo).port,
    heads,
    take: () => seen.splice(0),
    close: () => {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}

interface Parsed {
  readonly head: string
  readonly summary: string
  readonly length: number
}

/** undefined: not complete yet. */
function parseStrictly(bytes: string): Parsed | undefined {
  const end = bytes.indexOf('\r\n\r\n')
  if (end === -1) return undefined
  const head = bytes.slice(0, end)
  const [line = '', ...fields] = head.split('\r\n')
  const parts = /^([A-Z]+) (\S+) HTTP\/1\.1$/.exec(line)
  assert.ok(parts, `request line: ${line}`)
  for (const field of fields) assert.match(field, /^[!#$%&'*+.^_`|~0-9A-Za-z-]+: [^\0\r\n]*$/)
  const values = (name: string) =>
    fields
      .filter((field) => field.toLowerCase().startsWith(`${name}:`))
      .map((field) => field.slice(name.length + 1).trim())
  assert.equal(values('host').length, 1)
  const [lengths, codings] = [values('content-length'), values('transfer-encoding')]
  assert.ok(lengths.length + codings.length <= 1, 'one framing field at most')
  const body =
    codings.length === 1
      ? chunkedBody(codings[0], bytes.slice(end + 4))
      : lengthBody(lengths[0] ?? '0', bytes.slice(end + 4))
  if (body === undefined) return undefined
  return {
    head,
    summary: `${parts[1]} ${parts[2]} ${body.text}`,
    length: end + 4 + body.length,
  }
}

function lengthBody(length: string, bytes: string): { text: string; length: number } | undefined {
  assert.match(length, /^(?:0|[1-9][0-9]*)$/)
  const wanted = Number(length)
  return bytes.length < wanted ? undefined : { text: bytes.slice(0, wanted), length: wanted }
}

function chunkedBody(
  coding: string | undefined,
  bytes: string,
): { text: string; length: number } | undefined {
  assert.equal(coding, 'chunked')
  let [text, at] = ['', 0]
  for (;;) {
    const end = bytes.indexOf('\r\n', at)
    if (end === -1) return undefined
    const digits = bytes.slice(at, end)
    assert.match(digits, /^[0-9A-Fa-f]+$/)
    const size = Number.parseInt(digits, 16)
    if (bytes.length < end + 4 + size) return undefined
    assert.equal(bytes.slice(end + 2 + size, end + 4 + size), '\r\n')
    text += bytes.slice(end + 2, end + 2 + size)
    at = end + 4 + size
    if (size === 0) return { text, length: at }
  }
}
