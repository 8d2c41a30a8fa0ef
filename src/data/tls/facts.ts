/** How a handshake came out, for the access log and for HTTP. */
import type { TLSSocket } from 'node:tls'
import type { ClientCertificateFacts, TlsFacts } from '../../observe/access-log.ts'

/** `clientCertificate`: where one was asked for and shown. */
export function factsOf(
  socket: TLSSocket,
  clientCertificate: ClientCertificateFacts | undefined,
): TlsFacts {
  return {
    ...(clientCertificate === undefined ? {} : { clientCertificate }),
    version: socket.getProtocol() ?? 'unknown',
    cipher: socket.getCipher().standardName,
    group: groupOf(socket),
    alpn: typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : undefined,
    resumed: socket.isSessionReused(),
  }
}

/** Node tells the group to the client's side only, as of 24 and 26; where it tells us, we pass it on. */
function groupOf(socket: TLSSocket): string | undefined {
  const info: object | null = socket.getEphemeralKeyInfo()
  if (info === null || !('name' in info)) return undefined
  return typeof info.name === 'string' ? info.name : undefined
}
