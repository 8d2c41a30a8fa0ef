/** How a handshake came out, for the access log and for HTTP. */
import type { TLSSocket } from 'node:tls'
import type { ClientCertificateFacts, TlsFacts } from '../../observe/access-log.ts'
import { negotiatedGroup, type Offer } from './group.ts'

/** `clientCertificate`: where one was asked for and shown. `offer`: of the peeked hello. */
export function factsOf(
  socket: TLSSocket,
  clientCertificate: ClientCertificateFacts | undefined,
  offer: Offer | undefined,
): TlsFacts {
  const version = socket.getProtocol() ?? 'unknown'
  const resumed = socket.isSessionReused()
  return {
    ...(clientCertificate === undefined ? {} : { clientCertificate }),
    version,
    cipher: socket.getCipher().standardName,
    group: offer === undefined ? undefined : negotiatedGroup(offer, version, resumed),
    alpn: typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : undefined,
    resumed,
  }
}
