/** Binds that cannot have an address of the test's own: the wildcard's ports, the loopback of IPv6. */
import { createServer } from 'node:net'
import { networkInterfaces } from 'node:os'

/** For `skip` of node:test. */
export const NO_IPV6: string | false = Object.values(networkInterfaces())
  .flat()
  .some((own) => own?.address === '::1')
  ? false
  : 'this machine has no ::1'

/** Free in every family, and below those that connections take for themselves: it stays free. */
export async function freeWildcardPort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 10_000)
    const server = createServer()
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false))
      server.listen(port, () => resolve(true))
    })
    if (!isFree) continue
    await new Promise((resolve) => server.close(resolve))
    return port
  }
}
