/** What workers lend for a successor: all of it or nothing, and nothing stays open that nobody wants. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type LentDatagrams, UdpLoan } from '../../../src/control/udp-loan.ts'
import { bindKey } from '../../../src/model/identity.ts'

const NEVER_MS = 1 << 30

function lent(fd: number): LentDatagrams & { readonly closed: readonly number[] } {
  const closed: number[] = []
  return {
    ...{ bind: bindKey('udp', '127.0.0.1', 53), address: '127.0.0.1', fd, closed },
    close: () => void closed.push(fd),
  }
}

describe('UdpLoan', () => {
  it('is whole when every worker has lent all or is gone', async () => {
    const loan = new UdpLoan(1, [0, 1], NEVER_MS)
    const [one, two, three] = [lent(3), lent(4), lent(5)]
    loan.add(0, one)
    loan.add(0, two)
    loan.finished(0)
    loan.finished(0)
    loan.add(1, three)
    loan.finished(1)
    assert.deepEqual(
      (await loan.sockets).map(({ fd }) => fd),
      [3, 4, 5],
    )
    assert.deepEqual(
      [one, two, three].flatMap(({ closed }) => closed),
      [],
    )
  })

  it('is empty at once where nobody can lend anything', async () => {
    assert.deepEqual(await new UdpLoan(1, [], NEVER_MS).sockets, [])
  })

  it('fails when a worker hangs, and closes what it has and what comes late', async () => {
    const loan = new UdpLoan(1, [0, 1], 1)
    const [early, late] = [lent(3), lent(4)]
    loan.add(0, early)
    loan.finished(0)
    await assert.rejects(loan.sockets, {
      code: 'GWP_UPGRADE_FAILED',
      message: /^worker 1 does not/,
    })
    loan.add(1, late)
    loan.finished(1)
    assert.deepEqual([early.closed, late.closed], [[3], [4]])
  })
})
