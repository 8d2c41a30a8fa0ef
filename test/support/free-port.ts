/** Ports on the wildcard, for tests of binds that cannot have an address of the test's own. */
import { createServer } from 'node:net'

/** Free for IPv4 and IPv6, and below those that connections take for themselves: it stays free. */
export async function freeWildcardPort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 10_000)
    const server = createServer()
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false))
      server.listen(port, '::', () => resolve(true))
    })
    if (!isFree) continue
    await new Promise((resolve) => server.close(resolve))
    return port
  }
}
