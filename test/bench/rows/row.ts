/** A line of the result: what is done with each proxy, what is read off, and what it is to reach. */
import type { Peer } from '../peers/peer.ts'
import type { Site } from '../site.ts'

export interface Column {
  readonly key: string
  readonly label: string
  /** Of 'neither', no ratio is made. */
  readonly better: 'more' | 'less' | 'neither'
  readonly digits: number
}

/** What one round of one proxy gave, by column key. */
export type Figures = Readonly<Record<string, number>>

/** gwproxy's figure divided by the rival's, or alone where there is no rival. */
export interface Goal {
  readonly column: string
  readonly rival?: string
  /** Of the backends of `--io`: pure TypeScript, or with the native relay. */
  readonly variant?: 'raw' | 'native'
  readonly atLeast?: number
  readonly atMost?: number
  /** In the words of the goals' table. */
  readonly text: string
}

/** A proxy that runs, ready for the row's load. */
export interface Subject {
  /** Before its first sample: as long as a JIT needs. */
  warm(seconds: number): Promise<void>
  /** Throws when the work was not done as it should be: the run is invalid. */
  sample(seconds: number): Promise<Figures>
  close(): Promise<void>
}

export interface Row {
  readonly name: string
  readonly title: string
  readonly columns: readonly Column[]
  /** Besides gwproxy, the most telling first: `--quick` takes that one. */
  readonly rivals: readonly string[]
  readonly goals: readonly Goal[]
  /** Takes long and varies little: this many rounds at most, and one with `--quick`. */
  readonly maxRounds?: number
  open(peer: Peer, site: Site): Promise<Subject>
  /** The same load with no proxy between: where generator and backend cap. */
  direct?(site: Site): Promise<Subject>
  /** Why it cannot be measured here. */
  missing?(site: Site): string | undefined
}
