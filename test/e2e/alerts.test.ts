/** Prometheus' own tool on what packaging/ has for it: each alert fires when it should, each panel has a valid query. */
import assert from 'node:assert/strict'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, describe, it } from 'node:test'
import { parse, stringify } from 'yaml'
import { command } from '../support/command.ts'
import { fencedBlocks } from '../support/markdown.ts'
import { missing } from '../support/real-servers.ts'

const PACKAGING = resolve(import.meta.dirname, '../../packaging')
const CASES = resolve(import.meta.dirname, '../support/alerts.test.yaml')

interface Rules {
  readonly groups: readonly { readonly rules: readonly { readonly alert: string }[] }[]
}

interface Cases {
  readonly tests: readonly {
    readonly alert_rule_test: readonly {
      readonly alertname: string
      readonly exp_alerts?: readonly unknown[]
    }[]
  }[]
}

describe('what a Prometheus reads', { skip: missing('promtool') }, () => {
  const scratch = mkdtempSync(join(tmpdir(), 'gwproxy-alerts-'))
  after(() => rmSync(scratch, { recursive: true, force: true }))

  it('alerts, each of them, for what it is about and for nothing else', async () => {
    const rules = parse(readFileSync(join(PACKAGING, 'prometheus/alerts.yaml'), 'utf8')) as Rules
    const { tests } = parse(readFileSync(CASES, 'utf8')) as Cases
    const cases = tests.flatMap((test) => test.alert_rule_test)
    const alerts = rules.groups.flatMap((group) => group.rules.map(({ alert }) => alert)).sort()
    const namesOf = (fires: boolean): string[] => {
      const chosen = cases.filter(({ exp_alerts }) => (exp_alerts !== undefined) === fires)
      return [...new Set(chosen.map(({ alertname }) => alertname))].sort()
    }
    assert.deepEqual(namesOf(true), alerts)
    assert.deepEqual(namesOf(false), alerts)
    copyFileSync(join(PACKAGING, 'prometheus/alerts.yaml'), join(scratch, 'alerts.yaml'))
    copyFileSync(CASES, join(scratch, 'cases.yaml'))
    const tested = await command('promtool', ['test', 'rules', join(scratch, 'cases.yaml')])
    assert.equal(tested.code, 0, tested.stdout + tested.stderr)
  })

  it('the configuration that the guide shows', async () => {
    const guide = readFileSync(resolve(import.meta.dirname, '../../docs/metrics.md'), 'utf8')
    const shown = fencedBlocks(guide).find(({ marker }) => marker === 'prometheus.yml')
    copyFileSync(join(PACKAGING, 'prometheus/alerts.yaml'), join(scratch, 'alerts.yaml'))
    writeFileSync(join(scratch, 'prometheus.yml'), shown?.text ?? '')
    const checked = await command('promtool', ['check', 'config', join(scratch, 'prometheus.yml')])
    assert.equal(checked.code, 0, checked.stdout + checked.stderr)
    const rules = readFileSync(join(PACKAGING, 'prometheus/alerts.yaml'), 'utf8')
    const [, job] = /up\{job="(.*)"\}/.exec(rules) ?? []
    assert.match(shown?.text ?? '', new RegExp(`job_name: ${job} `))
  })

  it('queries of the dashboard', async () => {
    const text = readFileSync(join(PACKAGING, 'grafana/gwproxy.json'), 'utf8')
    const { panels } = JSON.parse(text) as {
      panels: readonly { title: string; type: string; targets?: readonly { expr: string }[] }[]
    }
    const queries = panels.flatMap(({ targets }) => targets ?? []).map(({ expr }) => expr)
    assert.ok(queries.length > 25)
    const rules = queries.map((expr, i) => ({
      record: `q${i}`,
      // What Grafana puts in.
      expr: expr.replaceAll('$__rate_interval', '1m').replaceAll('$instance', 'a|b'),
    }))
    const file = join(scratch, 'queries.yaml')
    writeFileSync(file, stringify({ groups: [{ name: 'queries', rules }] }))
    const checked = await command('promtool', ['check', 'rules', file])
    assert.equal(checked.code, 0, checked.stdout + checked.stderr)
    assert.doesNotMatch(stringify(rules), /\$/)
    const empty = panels.filter(({ type, targets }) => type !== 'row' && !targets?.length)
    assert.deepEqual(
      empty.map(({ title }) => title),
      [],
    )
  })
})
