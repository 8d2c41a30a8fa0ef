/** What we ask of V8, which guesses from what a program did what it will do. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/**
 * A full collection of this thread's heap, for what leaves much behind at once and then nothing for
 * hours: V8 collects by what is allocated, so it would hold the garbage until the next big change,
 * which would then pay for it. Takes about a millisecond for each MiB that lives. Does nothing where V8
 * has no such function.
 */
export function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  // A context gets the function when it is made.
  const collect: unknown = runInNewContext('globalThis.gc')
  setFlagsFromString('--no-expose-gc')
  if (typeof collect === 'function') collect()
}

/**
 * Threads that are started from now on collect by what they allocate and by `collectGarbage()` alone.
 * Otherwise V8 collects an idle heap anew eight seconds after each full collection: of a large heap
 * that is a tenth of a second in which an edit waits.
 */
export function withoutIdleCollections(): void {
  setFlagsFromString('--no-memory-reducer')
}

/**
 * `work` runs without V8's highest compiler, in all threads of the process: what runs for seconds and
 * then hardly again does not earn what that costs. Functions that stay hot get their code afterwards,
 * by the counters that code of the highest compiler that there is would not have.
 */
export function withoutTopCompiler<T>(work: () => T): T {
  if (!isOurs) return work()
  setFlagsFromString('--force-emit-interrupt-budget-checks')
  setFlagsFromString('--no-turbofan')
  try {
    return work()
  } finally {
    restoreTopCompiler()
  }
}

/** Also behind a thread that was ended within such work. */
export function restoreTopCompiler(): void {
  if (!isOurs) return
  setFlagsFromString('--turbofan')
  setFlagsFromString('--no-force-emit-interrupt-budget-checks')
}

/**
 * Whether options of Node.js say which compilers there are. V8 tells nobody, and would write machine code
 * for a process that was started with `--jitless` once the compiler is switched on.
 */
export function choosesCompilers(options: string): boolean {
  return /--(?:jitless|no[-_]?(?:opt|turbofan))(?:\s|$)/.test(options)
}

const isOurs = !choosesCompilers([...process.execArgv, process.env['NODE_OPTIONS']].join(' '))
