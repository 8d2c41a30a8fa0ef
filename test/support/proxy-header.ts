/** PROXY protocol headers made by hand, also faulty ones; a reader of what a backend was sent. */
import { crc32c } from '../../src/wire/crc32c.ts'

const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')

/** 192.0.2.7:50000 to 198.51.100.1:443. */
export const tcp4 = Buffer.from('c0000207c6336401c35001bb', 'hex')

/** `rest`: addresses, TLVs, or whatever takes their place. */
export function headerV2(command: number, family: number, ...rest: readonly Buffer[]): Buffer {
  const block = Buffer.concat(rest)
  const fixed = Buffer.from([command, family, block.length >> 8, block.length & 0xff])
  return Buffer.concat([SIGNATURE, fixed, block])
}

export function tlv(type: number, value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1')
  return Buffer.concat([Buffer.from([type, bytes.length >> 8, bytes.length & 0xff]), bytes])
}

/** Fills the checksum TLV, four zero bytes at the end, with what is right. */
export function crcTlv(header: Buffer): Buffer {
  const filled = Buffer.from(header)
  filled.writeUInt32BE(crc32c(header), header.length - 4)
  return filled
}
