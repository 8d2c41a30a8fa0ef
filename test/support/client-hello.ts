/** The bytes of a real ClientHello, as Node's TLS client sends it. */
import { Duplex } from 'node:stream'
import * as tls from 'node:tls'

/** The first flight of a client that asks for `servername`; post-quantum size by default. */
export function recordedClientHello(
  servername: string | undefined,
  options: tls.ConnectionOptions = {},
): Promise<Buffer> {
  return new Promise((resolve) => {
    const wire = new Duplex({
      read: () => undefined,
      write: (chunk: Buffer, _encoding, done) => {
        done()
        // Not before tls.connect has returned: it may write while it constructs the client.
        setImmediate(() => client.destroy())
        resolve(chunk)
      },
    })
    const client = tls.connect({
      socket: wire,
      rejectUnauthorized: false,
      ...(servername === undefined ? {} : { servername }),
      ...options,
    })
    client.on('error', () => undefined)
  })
}
