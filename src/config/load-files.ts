/** A single load without watching, for `check` and `explain`. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Loaded, Loader, type LoaderOptions } from './loader.ts'

/** Loads again while certificate files do not fit together yet, as the daemon would: 500 ms at most. */
export async function loadFiles(options: LoaderOptions): Promise<Loaded> {
  const loader = new Loader(options)
  let loaded = loader.load()
  while (loaded.retryInMs !== undefined) {
    await sleep(loaded.retryInMs)
    loaded = loader.load()
  }
  return loaded
}
