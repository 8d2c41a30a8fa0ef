/** `gwproxy explain --config`: the files as a daemon that starts now would serve them. */
import { existsSync } from 'node:fs'
import { GwProxyError } from '../base/errors.ts'
import { loadOnce } from '../control/load-once.ts'
import { translateOptionsOf } from '../control/options.ts'
import { explainRequest } from '../data/explain/explain.ts'
import { bindsOf } from '../data/explain/places.ts'
import type { ExplainSource } from './explain.ts'
import { type RunFlags, runOptionsOf } from './run-options.ts'

/** @throws GwProxyError GWP_OPTION_INVALID: a directory is missing */
export function filesSource(flags: RunFlags): ExplainSource {
  return async (request) => {
    const options = runOptionsOf(flags)
    const { configDirs, unknownFields, credentialsDirectory } = options
    const missing = configDirs.find((path) => !existsSync(path))
    if (missing !== undefined) {
      throw new GwProxyError(
        'GWP_OPTION_INVALID',
        `--config ${missing}: there is no such file or directory`,
      )
    }
    const { translation } = await loadOnce({
      roots: configDirs,
      unknownFields,
      credentialsDirectory,
      translate: translateOptionsOf(options),
    })
    const explained = { parts: translation.parts, binds: bindsOf(translation) }
    return {
      source: { text: `The files of ${configDirs.join(', ')}:`, json: { files: configDirs } },
      ...(await explainRequest(request, explained)),
    }
  }
}
