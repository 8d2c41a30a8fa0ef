/**
 * Hosts as they travel and are kept: as JSON. Of 10,000 hosts hardly any is asked for in one minute,
 * and each is a tree of some forty objects, which to clone takes longer than to read and which the
 * collector goes through again and again. A text is one object, without anything to go through.
 */
import type { GrpcHostPart, HttpHostPart } from '../model/http.ts'
import type { KeptPart, PackedHost, Part } from '../model/snapshot.ts'

export type HostPart = HttpHostPart | GrpcHostPart

export function packPart(part: Part): KeptPart {
  return part.kind === 'http-host' || part.kind === 'grpc-host'
    ? { kind: 'packed-host', json: JSON.stringify(part) }
    : part
}

/** What somebody looks at as a whole. */
export function unpackPart(part: KeptPart): Part {
  return part.kind === 'packed-host' ? hostOf(part) : part
}

export function isHost(part: KeptPart): part is HostPart | PackedHost {
  return part.kind === 'packed-host' || part.kind === 'http-host' || part.kind === 'grpc-host'
}

/** Made anew each time from a packed one. */
export function hostOf(part: HostPart | PackedHost): HostPart {
  // Packed by us.
  return part.kind === 'packed-host' ? (JSON.parse(part.json) as HostPart) : part
}
