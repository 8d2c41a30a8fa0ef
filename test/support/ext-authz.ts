/** Envoy's ext_authz protocol as protobufjs and grpc-js speak it: the other side of our own codec. */
import { join } from 'node:path'
import {
  type sendUnaryData,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServiceError,
} from '@grpc/grpc-js'
import protobuf from 'protobufjs'

const root = protobuf.loadSync(join(import.meta.dirname, 'ext-authz.proto'))
const CheckRequest = root.lookupType('authz.CheckRequest')
const CheckResponse = root.lookupType('authz.CheckResponse')

export interface WireHeader {
  readonly header: { readonly key: string; readonly value?: string; readonly rawValue?: Uint8Array }
  readonly append?: { readonly value: boolean }
  readonly appendAction?: number
}

export interface WireDenied {
  readonly status?: { readonly code: number }
  readonly headers?: readonly WireHeader[]
  readonly body?: string
}

export interface WireResponse {
  readonly status?: { readonly code?: number; readonly message?: string }
  readonly deniedResponse?: WireDenied
  readonly errorResponse?: WireDenied
  readonly okResponse?: {
    readonly headers?: readonly WireHeader[]
    readonly headersToRemove?: readonly string[]
    readonly responseHeadersToAdd?: readonly WireHeader[]
    readonly queryParametersToSet?: readonly { readonly key: string; readonly value?: string }[]
    readonly queryParametersToRemove?: readonly string[]
  }
}

export interface WirePeer {
  readonly address: {
    readonly socketAddress: { readonly address: string; readonly portValue: number }
  }
  readonly principal: string
}

export interface WireHttp {
  readonly id: string
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly path: string
  readonly host: string
  readonly scheme: string
  /** In decimal. */
  readonly size: string
  readonly protocol: string
  readonly body: string
  /** In base64. */
  readonly rawBody: string
}

export interface WireAttributes {
  readonly source: WirePeer
  readonly destination: WirePeer
  readonly request: {
    readonly time: { readonly seconds: string; readonly nanos: number }
    readonly http: WireHttp
  }
  readonly tlsSession?: { readonly sni: string } | null
}

export function readCheckRequest(bytes: Uint8Array): WireAttributes {
  const message = CheckRequest.toObject(CheckRequest.decode(bytes), {
    longs: String,
    bytes: String,
    defaults: true,
  }) as { readonly attributes: WireAttributes }
  return message.attributes
}

export function writeCheckResponse(response: WireResponse): Buffer {
  return Buffer.from(CheckResponse.encode(CheckResponse.fromObject(response)).finish())
}

/** Absent where nothing was said. */
export function readCheckResponse(bytes: Uint8Array): WireResponse {
  return CheckResponse.toObject(CheckResponse.decode(bytes)) as WireResponse
}

export const CHECK_PATH = '/envoy.service.auth.v3.Authorization/Check'

/** Bytes are sent as they are; an error is the call's own. */
export type GrpcDecision = (asked: WireAttributes) => WireResponse | Buffer | Partial<ServiceError>

type Pair = { readonly certPem: string; readonly keyPem: string }

/** On a free port of 127.0.0.1 unless it says otherwise. */
export interface GrpcAuthOptions {
  readonly certificate?: Pair
  readonly address?: string
  readonly port?: number
}

export async function startGrpcAuth(decide: GrpcDecision, options: GrpcAuthOptions = {}) {
  const { certificate, address = '127.0.0.1', port: wanted = 0 } = options
  const asked: WireAttributes[] = []
  const server = new Server({ 'grpc.max_receive_message_length': -1 })
  const definition = {
    Check: {
      path: CHECK_PATH,
      requestStream: false,
      responseStream: false,
      requestSerialize: (bytes: Buffer) => bytes,
      requestDeserialize: (bytes: Buffer) => bytes,
      responseSerialize: (bytes: Buffer) => bytes,
      responseDeserialize: (bytes: Buffer) => bytes,
    },
  } as const
  server.addService(definition, {
    Check: (call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) => {
      const attributes = readCheckRequest(call.request)
      asked.push(attributes)
      const answer = decide(attributes)
      if (Buffer.isBuffer(answer)) callback(null, answer)
      else if ('code' in answer) callback(answer)
      else callback(null, writeCheckResponse(answer as WireResponse))
    },
  })
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`${address}:${wanted}`, credentialsOf(certificate), (error, bound) => {
      if (error === null) resolve(bound)
      else reject(error)
    })
  })
  return { port, asked, [Symbol.dispose]: () => server.forceShutdown() }
}

function credentialsOf(pair?: Pair): ServerCredentials {
  if (pair === undefined) return ServerCredentials.createInsecure()
  const { certPem, keyPem } = pair
  return ServerCredentials.createSsl(null, [
    { cert_chain: Buffer.from(certPem), private_key: Buffer.from(keyPem) },
  ])
}
