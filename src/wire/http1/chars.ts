/** Which bytes may stand where in HTTP/1.1 (RFC 9110 section 5.5, 5.6.2; RFC 9112): 1 where allowed. */

const TOKEN_MARKS = "!#$%&'*+-.^_`|~"

/** Methods, field names, names of chunk extensions. */
export const TOKEN = table((code) => /[0-9A-Za-z]/.test(String.fromCharCode(code)) || isMark(code))

/** Field values and reason phrases: visible, obs-text, space and tab. No other control. */
export const TEXT = table((code) => code === 9 || (code >= 0x20 && code !== 0x7f))

/** A request target: visible ASCII. */
export const TARGET = table((code) => code > 0x20 && code < 0x7f)

/** The value of a hexadecimal digit; 255: it is none. */
export const HEX: Uint8Array = Uint8Array.from({ length: 256 }, (_, code) => {
  const text = String.fromCharCode(code)
  return /[0-9a-fA-F]/.test(text) ? Number.parseInt(text, 16) : 255
})

function table(allows: (code: number) => boolean): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, code) => (allows(code) ? 1 : 0))
}

function isMark(code: number): boolean {
  return TOKEN_MARKS.includes(String.fromCharCode(code))
}
