/** One row: all proxies up, then rounds in which each is sampled once, in an order drawn anew. */
import { messageOf } from '../../src/base/errors.ts'
import type { Peer } from './peers/peer.ts'
import type { RowResult } from './result.ts'
import type { Figures, Row, Subject } from './rows/row.ts'
import type { Site } from './site.ts'
import { shuffled } from './stats.ts'

const COMPILED_WARM_SECONDS = 1

export interface Plan {
  readonly rounds: number
  readonly seconds: number
  readonly warmSeconds: number
  readonly isQuick: boolean
}

export async function measureRow(
  row: Row,
  peers: readonly Peer[],
  site: Site,
  plan: Plan,
): Promise<RowResult> {
  const { name, title, columns, goals } = row
  const empty = { name, title, columns, goals, series: [] }
  const missing = row.missing?.(site)
  if (missing !== undefined) return { ...empty, failure: missing }
  const open: { readonly peer: Peer; readonly subject: Subject; readonly rounds: Figures[] }[] = []
  try {
    const direct = await withoutProxy(row, site, plan)
    for (const peer of peers) {
      const subject = await naming(peer, row.open(peer, site))
      open.push({ peer, subject, rounds: [] })
      const seconds = peer.isCompiled === true ? COMPILED_WARM_SECONDS : plan.warmSeconds
      await naming(peer, subject.warm(seconds))
    }
    const rounds = roundsOf(row, plan)
    for (let round = 0; round < rounds; round++) {
      for (const one of shuffled(open)) {
        one.rounds.push(await naming(one.peer, one.subject.sample(plan.seconds)))
      }
    }
    const series = open.map(({ peer, rounds }) => ({
      name: peer.name,
      version: peer.version() ?? '',
      isOurs: peer.isOurs === true,
      rounds,
    }))
    return { ...empty, series, ...(direct && { direct }) }
  } catch (error) {
    return { ...empty, failure: messageOf(error) }
  } finally {
    await Promise.all(open.map(({ subject }) => subject.close()))
  }
}

async function naming<T>({ name }: Peer, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    throw new Error(`${name}: ${messageOf(error)}`, { cause: error })
  }
}

function roundsOf({ maxRounds }: Row, { rounds, isQuick }: Plan): number {
  return maxRounds === undefined ? rounds : isQuick ? 1 : Math.min(rounds, maxRounds)
}

async function withoutProxy(row: Row, site: Site, { seconds }: Plan): Promise<Figures | undefined> {
  if (row.direct === undefined) return undefined
  const subject = await row.direct(site)
  const figures = await subject.sample(Math.min(seconds, 2))
  await subject.close()
  return figures
}
