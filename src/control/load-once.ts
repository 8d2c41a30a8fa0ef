/** Files to a translation, once, in this thread: for `check` and `explain`. Nothing is watched. */
import { buildResourceSet, type ResourceSet } from '../api/resource-set.ts'
import { systemClock } from '../base/clock.ts'
import type { UnknownFields } from '../config/admit.ts'
import { loadFiles } from '../config/load-files.ts'
import type { Loaded } from '../config/loader.ts'
import { textSource } from '../config/source-cache.ts'
import type { Diagnostic } from '../model/diagnostic.ts'
import type { TranslateOptions } from '../translate/options.ts'
import { type Translation, translate } from '../translate/translate.ts'

export interface LoadOnceOptions {
  /** Directories or files. */
  readonly roots: readonly string[]
  /** Manifests that are no file, such as standard input; `name` stands in their diagnostics. */
  readonly texts?: readonly { readonly name: string; readonly text: string }[]
  readonly unknownFields: UnknownFields
  /** systemd's, for the files of Secrets. */
  readonly credentialsDirectory?: string | undefined
  readonly translate: Omit<TranslateOptions, 'now'>
}

export interface LoadedOnce {
  readonly resources: ResourceSet
  readonly translation: Translation
  /** Of the files first, then of the translation. */
  readonly diagnostics: readonly Diagnostic[]
  readonly counts: Loaded['counts']
}

export async function loadOnce(options: LoadOnceOptions): Promise<LoadedOnce> {
  const { roots, texts = [], unknownFields, credentialsDirectory } = options
  const loaded = await loadFiles({
    roots,
    unknownFields,
    texts: texts.map(({ name, text }) => textSource(name, text)),
    ...(credentialsDirectory !== undefined && { credentialsDirectory }),
    clock: systemClock,
  })
  const resources = buildResourceSet(loaded.resources)
  const translation = translate(resources, { ...options.translate, now: systemClock.now() })
  return {
    resources,
    translation,
    diagnostics: [...loaded.diagnostics, ...translation.diagnostics],
    counts: loaded.counts,
  }
}
