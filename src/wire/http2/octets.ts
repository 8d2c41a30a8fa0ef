/** Numbers in frames: big endian. Cheaper than Buffer's own, which check what is known here. */

export function readUint24(bytes: Buffer, at: number): number {
  return (
    ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number)
  )
}

/** Without the reserved bit before it. */
export function readUint31(bytes: Buffer, at: number): number {
  return (((bytes[at] as number) & 0x7f) << 24) | readUint24(bytes, at + 1)
}

export function readUint32(bytes: Buffer, at: number): number {
  return (((bytes[at] as number) << 24) | readUint24(bytes, at + 1)) >>> 0
}

/** @returns the offset behind it */
export function writeUint32(out: Buffer, at: number, value: number): number {
  out[at] = value >>> 24
  out[at + 1] = value >>> 16
  out[at + 2] = value >>> 8
  out[at + 3] = value
  return at + 4
}
