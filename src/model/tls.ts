/** TLS material. Private keys never live in a part: a part names its key, KeyMaterial carries it. */
import type { Digest } from '../base/brand.ts'

export interface CertificatePart {
  readonly kind: 'certificate'
  /** Names the KeyMaterial: digest of the public key. */
  readonly keyId: Digest
  /** Leaf first. */
  readonly chainPem: string
  readonly keyType: 'rsa' | 'ec' | 'ed25519'
  /** DNS names of the leaf, lower case, wildcards included; CN only when there is no SAN. */
  readonly dnsNames: readonly string[]
  /** Milliseconds since the epoch. */
  readonly notBefore: number
  readonly notAfter: number
  /** SHA-256 of the leaf, lower-case hex without colons. */
  readonly fingerprint: string
  /** `namespace/name` of the Secret; for logs and metrics. */
  readonly source: string
}

/** Travels apart from parts and is never dumped, logged or put into a status. */
export interface KeyMaterial {
  readonly keyId: Digest
  readonly privateKeyPem: string
}

/**
 * Who may resume whose sessions. `id` = hash(listener key, client CAs, verify mode, CRL);
 * certificates and generations stay out, so resumption survives reloads (decision 3).
 */
export interface TrustDomain {
  readonly id: Digest
  readonly clientAuth: ClientAuth
}

export type ClientAuth =
  | { readonly mode: 'none' }
  | {
      readonly mode: 'require' | 'optional-insecure'
      /** PEM bundle of the client CAs. */
      readonly caPem: string
    }

/** A root of ticket keys; each trust domain derives its own by HKDF(root, domain id). */
export interface TicketRoot {
  /** 4 bytes, hex: leads the key name so that a ticket tells which root made it. */
  readonly id: string
  /** 32 bytes, base64. A secret. */
  readonly secret: string
}

/** Newest first: the first encrypts, all decrypt. */
export type TicketRoots = readonly TicketRoot[]
