/**
 * The Huffman code of RFC 7541 appendix B. It is canonical: lengths of the codes say all, since codes
 * of one length follow each other in the order of their symbols.
 */

/** Bits of the code of each octet; the last is EOS. */
// biome-ignore format: a table
const LENGTHS: readonly number[] = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
  28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
  5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
  7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
  6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
  24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
  21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
  26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
  30,
]
const SYMBOLS = 256
const EOS = 256
/** The longest run of ones that may fill the last octet. */
const MAX_PADDING = 7

/** What a state does with the next 4 bits: the next state, and flags. */
const NEXT = new Uint16Array(SYMBOLS * 16)
/** The octet that is complete then. */
const SYMBOL = new Uint8Array(SYMBOLS * 16)
const EMITS = 0x100
const FAILS = 0x200
const STATE = 0xff
/** States in which a string may end. */
const ENDS = new Uint8Array(SYMBOLS)

/** The tree of codes: two children for each inner node, that are inner nodes or `~symbol`. */
function codeTree(): number[] {
  const children: number[] = [0, 0]
  const symbols = LENGTHS.map((_, symbol) => symbol).sort(
    (a, b) => (LENGTHS[a] as number) - (LENGTHS[b] as number) || a - b,
  )
  let code = 0
  let length = 0
  for (const symbol of symbols) {
    const wanted = LENGTHS[symbol] as number
    code *= 2 ** (wanted - length)
    length = wanted
    let node = 0
    for (let bit = length - 1; bit > 0; bit--) {
      const child = node * 2 + (Math.floor(code / 2 ** bit) & 1)
      if (children[child] === 0) {
        children[child] = children.length / 2
        children.push(0, 0)
      }
      node = children[child] as number
    }
    children[node * 2 + (code & 1)] = ~symbol
    code += 1
  }
  return children
}

function fillTables(): void {
  const children = codeTree()
  for (let state = 0; state < SYMBOLS; state++) {
    for (let nibble = 0; nibble < 16; nibble++) {
      let node = state
      let flags = 0
      for (let bit = 3; bit >= 0; bit--) {
        const child = children[node * 2 + ((nibble >> bit) & 1)] as number
        if (child === ~EOS) flags = FAILS
        if (child >= 0) {
          node = child
          continue
        }
        if (flags !== FAILS) flags = EMITS
        SYMBOL[state * 16 + nibble] = ~child
        node = 0
      }
      NEXT[state * 16 + nibble] = node | flags
    }
  }
  let node = 0
  for (let ones = 0; ones <= MAX_PADDING; ones++) {
    ENDS[node] = 1
    node = children[node * 2 + 1] as number
  }
}

fillTables()

/** Octets that a string of `length` may have at most, decoded. */
export function maxDecodedBytes(length: number): number {
  return Math.floor((length * 8) / 5)
}

/**
 * Decodes `bytes` from `from` to `end` into `out`, which has room for `maxDecodedBytes`.
 * @returns how many octets it gave; -1: not a string of this code (RFC 7541 section 5.2)
 */
export function decodeHuffman(bytes: Buffer, from: number, end: number, out: Buffer): number {
  let length = 0
  let state = 0
  for (let at = from; at < end; at++) {
    const byte = bytes[at] as number
    let entry = (state << 4) | (byte >> 4)
    let next = NEXT[entry] as number
    if (next > STATE) {
      if (next >= FAILS) return -1
      out[length++] = SYMBOL[entry] as number
    }
    entry = ((next & STATE) << 4) | (byte & 15)
    next = NEXT[entry] as number
    if (next > STATE) {
      if (next >= FAILS) return -1
      out[length++] = SYMBOL[entry] as number
    }
    state = next & STATE
  }
  return ENDS[state] === 1 ? length : -1
}
