/** CRC-32C (Castagnoli, RFC 3720 section 12.1), which node:zlib does not have. */

const POLYNOMIAL = 0x82f63b78
const BYTE_VALUES = 256

const TABLE = Uint32Array.from({ length: BYTE_VALUES }, (_, value) => {
  let crc = value
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1
  return crc
})

/** Unsigned; `before` goes on where an earlier call ended. */
export function crc32c(bytes: Uint8Array, before = 0): number {
  let crc = ~before
  for (const byte of bytes) crc = (TABLE[(crc ^ byte) & 0xff] ?? 0) ^ (crc >>> 8)
  return ~crc >>> 0
}
