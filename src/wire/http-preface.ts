/** Tells HTTP/2 with prior knowledge from HTTP/1.1 by its connection preface (RFC 9113 section 3.4). */

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1')

/** `more`: the bytes so far could still become the preface. Decides within its 24 bytes. */
export function sniffHttpPreface(bytes: Buffer): 'h2' | 'http/1.1' | 'more' {
  const length = Math.min(bytes.length, PREFACE.length)
  if (bytes.compare(PREFACE, 0, length, 0, length) !== 0) return 'http/1.1'
  return length === PREFACE.length ? 'h2' : 'more'
}
