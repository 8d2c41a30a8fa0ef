/**
 * Tokens that clients keep of their sessions (GEP-1619): which backend, which endpoint, since when.
 * Both are named by keyed hashes, so a token tells nobody an address; HMAC-SHA256 with keys of the
 * rule seals it, so that nobody chooses an endpoint by writing one. Without any state here.
 */
import { createHmac, createSecretKey, hkdfSync, type KeyObject, timingSafeEqual } from 'node:crypto'

/** What a token says. */
export interface Token {
  /** Names made by `TokenKeys.nameOf`. */
  readonly backend: string
  readonly endpoint: string
  /** When the session began, in milliseconds since the epoch. */
  readonly began: number
}

/** version | began, 6 bytes | backend | endpoint | seal: a multiple of 3, so each text is the only one. */
const VERSION = 1
const BACKEND_AT = 7
const NAME_BYTES = 8
const ENDPOINT_AT = BACKEND_AT + NAME_BYTES
const SEAL_AT = ENDPOINT_AT + NAME_BYTES
const SEAL_BYTES = 16
const TOKEN_BYTES = SEAL_AT + SEAL_BYTES

const SHAPE = /^[A-Za-z0-9_-]{52}$/
const INFO = 'gwproxy session tokens v1'
const KEY_BYTES = 32

/** The keys of one scope: a token of another one is as good as none. */
export class TokenKeys {
  readonly #naming: KeyObject
  readonly #sealing: KeyObject

  /** `secret`: equal in all workers, 32 bytes in base64. */
  constructor(secret: string, scope: string) {
    const root = Buffer.from(secret, 'base64')
    const bytes = Buffer.from(hkdfSync('sha256', root, scope, INFO, 2 * KEY_BYTES))
    this.#naming = createSecretKey(bytes.subarray(0, KEY_BYTES))
    this.#sealing = createSecretKey(bytes.subarray(KEY_BYTES))
  }

  /** The name of a backend or an endpoint in tokens. */
  nameOf(kind: 'backend' | 'endpoint', text: string): string {
    const hash = createHmac('sha256', this.#naming).update(`${kind} ${text}`).digest()
    return hash.toString('hex', 0, NAME_BYTES)
  }

  seal({ backend, endpoint, began }: Token): string {
    const bytes = Buffer.alloc(TOKEN_BYTES)
    bytes[0] = VERSION
    bytes.writeUIntBE(began, 1, 6)
    bytes.write(backend, BACKEND_AT, 'hex')
    bytes.write(endpoint, ENDPOINT_AT, 'hex')
    this.#sealOf(bytes).copy(bytes, SEAL_AT)
    return bytes.toString('base64url')
  }

  /** undefined: not sealed by us for this scope. The cost is bounded whatever the text is. */
  open(text: string): Token | undefined {
    if (!SHAPE.test(text)) return undefined
    const bytes = Buffer.from(text, 'base64url')
    if (!timingSafeEqual(bytes.subarray(SEAL_AT), this.#sealOf(bytes))) return undefined
    if (bytes[0] !== VERSION) return undefined
    return {
      backend: bytes.toString('hex', BACKEND_AT, ENDPOINT_AT),
      endpoint: bytes.toString('hex', ENDPOINT_AT, SEAL_AT),
      began: bytes.readUIntBE(1, 6),
    }
  }

  #sealOf(bytes: Buffer): Buffer {
    const content = bytes.subarray(0, SEAL_AT)
    return createHmac('sha256', this.#sealing).update(content).digest().subarray(0, SEAL_BYTES)
  }
}
