/**
 * Worlds to try a field in: a file of manifests among the surroundings. Each of its objects is looked
 * at with one field changed, the rest as it stands.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type AnyResource, buildResourceSet } from '../../../src/api/resource-set.ts'
import { canonicalJson } from '../../../src/base/digest.ts'
import { type Diagnostic, type DocumentPath, formatPath } from '../../../src/model/diagnostic.ts'
import { displayKey, keyText } from '../../../src/model/resource-key.ts'
import type { ObjectStatus } from '../../../src/model/status.ts'
import { DEFAULT_OPTIONS } from '../../../src/translate/options.ts'
import { PassMemory } from '../../../src/translate/pass-memory.ts'
import { translate } from '../../../src/translate/translate.ts'
import { GOLDEN_NOW, loadTexts, splitText, withCertificates } from '../../golden/load.ts'

const WORLDS = join(import.meta.dirname, 'worlds')

export interface World {
  readonly file: string
  readonly subjects: readonly Subject[]
}

export interface Subject {
  readonly apiVersion: string
  readonly kind: string
  readonly object: Manifest
  /** What comes of the world with another version of the object; undefined: it is not admitted. */
  readonly outcome: (object: Manifest) => Outcome | undefined
}

export interface Manifest extends Readonly<Record<string, unknown>> {
  readonly apiVersion: string
  readonly kind: string
}

export type Fault = 'unsupported' | 'reference'

export interface Outcome {
  /** The snapshot and the statuses, without what only repeats the manifest. */
  readonly text: string
  /** Whether a diagnostic calls a field, or one that holds it, unsupported or unresolved. */
  readonly faultAt: (path: DocumentPath) => Fault | undefined
}

export async function loadWorlds(): Promise<readonly World[]> {
  const surroundings = await readManifests(join(import.meta.dirname, 'surroundings.yaml'))
  const files = readdirSync(WORLDS).sort()
  return Promise.all(
    files.map(async (file) => toWorld(file, surroundings, await readManifests(join(WORLDS, file)))),
  )
}

async function readManifests(file: string): Promise<readonly string[]> {
  return splitText(await withCertificates(readFileSync(file, 'utf8')))
}

function toWorld(file: string, surroundings: readonly string[], own: readonly string[]): World {
  const resources = loadTexts([...surroundings, ...own])
  // What a changed route does not change is not translated again. A change that was overlooked would
  // look like a field without effect.
  const memory = new PassMemory()
  const subjects = own.map((text): Subject => {
    const object = JSON.parse(text) as Manifest
    const outcome = (changed: Manifest) => outcomeOf(resources, changed, memory)
    return { apiVersion: object.apiVersion, kind: object.kind, object, outcome }
  })
  return { file, subjects }
}

function outcomeOf(
  resources: readonly AnyResource[],
  object: Manifest,
  memory: PassMemory,
): Outcome | undefined {
  const changed = admit(object)
  if (changed === undefined) return undefined
  const key = keyText(changed.key)
  const others = resources.filter((resource) => keyText(resource.key) !== key)
  const options = { ...DEFAULT_OPTIONS, now: GOLDEN_NOW, memory }
  const result = translate(buildResourceSet([...others, changed]), options)
  const own = result.diagnostics.filter(({ object: name }) => name === displayKey(changed.key))
  const isFaulty = (code: Fault, path: DocumentPath): boolean =>
    own.some((one) => one.code === code && isWithin(formatPath(path), placeOf(one)))
  return {
    text: canonicalJson([result.manifest, result.statuses.map(withoutEchoes)]),
    faultAt: (path) => FAULTS.find((code) => isFaulty(code, path)),
  }
}

const FAULTS: readonly Fault[] = ['unsupported', 'reference']

/** A type that is refused refuses the object that is of it. */
function placeOf({ path = '' }: Diagnostic): string {
  return path.replace(/\.type$/, '')
}

function admit(object: Manifest): AnyResource | undefined {
  try {
    return loadTexts([JSON.stringify(object)])[0]
  } catch {
    return undefined
  }
}

function isWithin(path: string, place: string): boolean {
  return path === place || path.startsWith(`${place}.`) || path.startsWith(`${place}[`)
}

/** A reference that is repeated proves nothing: only its conditions do. */
function withoutEchoes({ key, generation, body }: ObjectStatus): unknown {
  switch (body.kind) {
    case 'route':
      return [key, generation, body.parents.map(({ conditions }) => conditions)]
    case 'policy':
      return [key, generation, body.ancestors.map(({ conditions }) => conditions)]
    default:
      return [key, generation, body]
  }
}
