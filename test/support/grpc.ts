/** gRPC peers for tests, on grpc-js with bytes as messages: no protobuf is needed to move them. */
import {
  Client,
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  type ServiceError,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js'

const bytes = (message: Buffer): Buffer => message
const kinds = {
  Unary: [false, false],
  ClientStream: [true, false],
  ServerStream: [false, true],
  Bidi: [true, true],
} as const

export type CallKind = keyof typeof kinds

/** Service `test.Echo` with one method for each kind of call. */
export function pathOf(kind: string, service = 'test.Echo'): string {
  return `/${service}/${kind}`
}

const definition = Object.fromEntries(
  Object.entries(kinds).map(([kind, [requestStream, responseStream]]) => [
    kind,
    {
      path: pathOf(kind),
      requestStream,
      responseStream,
      requestSerialize: bytes,
      requestDeserialize: bytes,
      responseSerialize: bytes,
      responseDeserialize: bytes,
    },
  ]),
) as ServiceDefinition

export interface GrpcOrigin extends Disposable {
  readonly port: number
}

/** In cleartext, or with TLS and a certificate. */
export async function startGrpcOrigin(
  calls: UntypedServiceImplementation,
  certificate?: { readonly certPem: string; readonly keyPem: string },
): Promise<GrpcOrigin> {
  const server = new Server({ 'grpc.max_receive_message_length': -1 })
  const used = Object.entries(definition).filter(([kind]) => calls[kind] !== undefined)
  server.addService(Object.fromEntries(used), calls)
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', serverCredentials(certificate), (error, bound) => {
      if (error === null) resolve(bound)
      else reject(error)
    })
  })
  return { port, [Symbol.dispose]: () => server.forceShutdown() }
}

function serverCredentials(pair?: { readonly certPem: string; readonly keyPem: string }) {
  if (pair === undefined) return ServerCredentials.createInsecure()
  const { certPem, keyPem } = pair
  return ServerCredentials.createSsl(null, [
    { cert_chain: Buffer.from(certPem), private_key: Buffer.from(keyPem) },
  ])
}

export class GrpcClient extends Client implements Disposable {
  /** A port of this machine in cleartext, or `address:port` with TLS under a name. */
  constructor(target: number | string, tls?: { readonly caPem: string; readonly name: string }) {
    const place = typeof target === 'number' ? `127.0.0.1:${target}` : target
    const secure =
      tls === undefined
        ? credentials.createInsecure()
        : credentials.createSsl(Buffer.from(tls.caPem))
    super(place, secure, {
      'grpc.max_receive_message_length': -1,
      'grpc.enable_retries': 0,
      ...(tls && {
        'grpc.ssl_target_name_override': tls.name,
        'grpc.default_authority': tls.name,
      }),
    })
  }

  /** Resolves with the message, or with the error of the call. */
  unary(message: Buffer, { path = pathOf('Unary'), metadata = {}, deadlineMs = 0 } = {}) {
    const fields = metadataOf(metadata)
    const options = deadlineMs > 0 ? { deadline: Date.now() + deadlineMs } : {}
    return new Promise<Buffer | ServiceError>((resolve) => {
      this.makeUnaryRequest(path, bytes, bytes, message, fields, options, (error, answer) =>
        resolve(error ?? answer ?? Buffer.alloc(0)),
      )
    })
  }

  bidi() {
    return this.makeBidiStreamRequest(pathOf('Bidi'), bytes, bytes)
  }

  serverStream(message: Buffer) {
    return this.makeServerStreamRequest(pathOf('ServerStream'), bytes, bytes, message)
  }

  clientStream(onAnswer: (answer: Buffer | ServiceError) => void) {
    return this.makeClientStreamRequest(pathOf('ClientStream'), bytes, bytes, (error, answer) =>
      onAnswer(error ?? answer ?? Buffer.alloc(0)),
    )
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

function metadataOf(fields: Readonly<Record<string, string>>): Metadata {
  const metadata = new Metadata()
  for (const [name, value] of Object.entries(fields)) metadata.set(name, value)
  return metadata
}

/** The status of a failed call; undefined: it succeeded. */
export function codeOf(answer: Buffer | ServiceError): number | undefined {
  return Buffer.isBuffer(answer) ? undefined : answer.code
}
