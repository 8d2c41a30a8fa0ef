/** Fills the tables of docs/performance.md: `node test/bench/write-table.ts RESULT.json…`; later files win. */
import { readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { RunResult } from './result.ts'
import { withTables } from './table.ts'

const PAGE = resolve(import.meta.dirname, '../../docs/performance.md')

const runs = process.argv
  .slice(2)
  .map((file) => JSON.parse(readFileSync(file, 'utf8')) as RunResult)
writeFileSync(PAGE, withTables(readFileSync(PAGE, 'utf8'), runs))
