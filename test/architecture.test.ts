/**
 * The layers of DESIGN.md, enforced: imports go strictly downward, control and data never meet,
 * heavy libraries stay where they belong, and no file is larger than 500 lines.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { describe, it } from 'node:test'

const SRC = resolve(import.meta.dirname, '../src')

const LAYER: Readonly<Record<string, number>> = {
  base: 0,
  model: 1,
  wire: 2,
  observe: 2,
  match: 3,
  ipc: 3,
  api: 4,
  config: 5,
  translate: 5,
  control: 6,
  data: 6,
  cli: 7,
  'main.ts': 7,
}

/** Packages and who may load them; everything else in node_modules is free of charge. */
const PACKAGE_HOMES: Readonly<Record<string, readonly string[]>> = {
  yaml: ['config', 'cli', 'control'],
  zod: ['api', 'config', 'cli'],
  chokidar: ['config'],
  commander: ['cli'],
  pino: ['observe'],
  'prom-client': ['observe', 'control'],
  re2js: ['match'],
  '@bufbuild/protobuf': ['data'],
  '@peculiar/x509': ['wire'],
  'reflect-metadata': ['wire'],
}

/** A directory may never load these, whatever their layer. */
const FORBIDDEN: Readonly<Record<string, readonly string[]>> = {
  data: ['api', 'config', 'translate', 'control'],
  control: ['data'],
}

interface Import {
  readonly file: string
  readonly from: string
  readonly to: string
  readonly specifier: string
}

const files = sourceFiles()
const imports = files.flatMap(importsOf)

describe('architecture', () => {
  it('has files to check', () => {
    assert.ok(files.length > 10)
    assert.ok(imports.length > 10)
  })

  it('imports go strictly downward or stay in their directory', () => {
    const wrong = imports
      .filter(({ from, to }) => to in LAYER && from !== to)
      .filter(
        ({ from, to }) => layerOf(to) >= layerOf(from) && !(from === 'main.ts' || to === 'main.ts'),
      )
      .map((edge) => `${edge.file}: ${edge.specifier}`)
    assert.deepEqual(wrong, [])
  })

  it('control and data never import each other; data knows no manifests', () => {
    const wrong = imports
      .filter(({ from, to }) => FORBIDDEN[from]?.includes(to))
      .map((edge) => `${edge.file}: ${edge.specifier}`)
    assert.deepEqual(wrong, [])
  })

  it('packages are loaded only where they belong', () => {
    const wrong = imports
      .filter(({ specifier }) => !specifier.startsWith('.') && !specifier.startsWith('node:'))
      .filter(({ from, specifier }) => !PACKAGE_HOMES[packageName(specifier)]?.includes(from))
      .map((edge) => `${edge.file}: ${edge.specifier}`)
    assert.deepEqual(wrong, [])
  })

  it('every directory has a layer', () => {
    const unknown = files.map(topOf).filter((top) => !(top in LAYER))
    assert.deepEqual([...new Set(unknown)], [])
  })

  it('no source file is longer than 500 lines', () => {
    const long = files
      .map((file) => ({ file, lines: readFileSync(file, 'utf8').split('\n').length }))
      .filter(({ lines }) => lines > 501)
      .map(({ file, lines }) => `${relative(SRC, file)}: ${lines}`)
    assert.deepEqual(long, [])
  })
})

function sourceFiles(): string[] {
  return readdirSync(SRC, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(SRC, name))
}

function importsOf(file: string): Import[] {
  const text = readFileSync(file, 'utf8')
  const found = text.matchAll(
    /^\s*(?:import|export)\s[^'"]*?from\s*['"]([^'"]+)['"]|^\s*import\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/gm,
  )
  return [...found].map((match) => {
    const specifier = match[1] ?? match[2] ?? match[3] ?? ''
    const to = specifier.startsWith('.') ? topOf(resolve(dirname(file), specifier)) : specifier
    return { file: relative(SRC, file), from: topOf(file), to, specifier }
  })
}

/** The first path element below src. */
function topOf(file: string): string {
  return relative(SRC, file).split('/')[0] ?? ''
}

function layerOf(top: string): number {
  return LAYER[top] ?? -1
}

function packageName(specifier: string): string {
  const parts = specifier.split('/')
  return specifier.startsWith('@') ? parts.slice(0, 2).join('/') : (parts[0] ?? '')
}
