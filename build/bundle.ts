/**
 * First step of `npm run build`: makes dist/, or the directory that is named, of src/: one script for
 * each process and thread that the daemon consists of, libraries included (ADR 12).
 */
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { build } from 'esbuild'

const ROOT = resolve(import.meta.dirname, '..')
const DIST = resolve(process.argv[2] ?? join(ROOT, 'dist'))
const ENTRIES = [
  'cli/gwproxy',
  'cli/offline',
  'control/config-thread',
  'data/worker-process',
] as const

rmSync(DIST, { recursive: true, force: true })
const { metafile } = await build({
  absWorkingDir: ROOT,
  entryPoints: ENTRIES.map((name) => `src/${name}.ts`),
  outdir: DIST,
  outbase: 'src',
  // The name says the content: what was compiled of another build is never taken for this one's.
  entryNames: '[dir]/[name]-[hash]',
  outExtension: { '.js': '.cjs' },
  bundle: true,
  platform: 'node',
  target: 'node22',
  // Scripts, since V8's code cache takes no modules without a flag, and since importing a builtin as
  // a module reads all of its properties: node:http then loads the whole of undici.
  format: 'cjs',
  banner: { js: '(function (require, module, exports, __filename, __dirname, __url) {' },
  footer: { js: '})' },
  define: {
    'import.meta.url': '__url',
    'import.meta.filename': '__filename',
    'import.meta.dirname': '__dirname',
  },
  // `import()` of a script is `require`: of what is not in its bundle, too.
  supported: { 'dynamic-import': false },
  plugins: [
    {
      name: 'offline',
      setup: ({ onResolve }) =>
        onResolve({ filter: /\/offline\.ts$/ }, ({ kind }) =>
          kind === 'dynamic-import' ? { path: './offline.cjs', external: true } : undefined,
        ),
    },
  ],
  legalComments: 'none',
  metafile: true,
  logLevel: 'warning',
})

const stub = readFileSync(join(import.meta.dirname, 'entry.cjs'), 'utf8')
for (const [output, { entryPoint = '' }] of Object.entries(metafile.outputs)) {
  const directory = join(ROOT, dirname(output))
  const name = `${basename(entryPoint, '.ts')}.cjs`
  writeFileSync(join(directory, name), stub.replace('BUNDLE', basename(output)))
}

const PAGE = 'control/admin/page'
for (const name of ['page.html', 'page.css', 'page.js', 'page.svg']) {
  cpSync(join(ROOT, 'src', PAGE, name), join(DIST, PAGE, name))
}
writeFileSync(join(DIST, 'LICENSES.txt'), licenses(Object.keys(metafile.inputs)))

/** Of the libraries that are in the bundles. */
function licenses(inputs: readonly string[]): string {
  const packages = new Set(
    inputs.flatMap((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? []),
  )
  return [...packages]
    .sort()
    .map((path) => {
      const directory = join(ROOT, path)
      const { name, version, license } = JSON.parse(
        readFileSync(join(directory, 'package.json'), 'utf8'),
      )
      const file = readdirSync(directory).find((one) => /^licen[cs]e/i.test(one))
      const text = file === undefined ? '' : readFileSync(join(directory, file), 'utf8')
      return `${name} ${version} (${license})\n\n${text.trim()}\n`
    })
    .join(`\n${'-'.repeat(80)}\n\n`)
}
