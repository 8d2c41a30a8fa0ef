/**
 * The status page as a browser shows it, through a port that leads to the admin socket as `ssh -L`
 * makes one: what is configured, problems of an edit, rates under traffic; light, dark, on a phone.
 * With GWPROXY_PAGE_SCREENSHOTS=DIR it leaves pictures behind.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type Backend, startHttpBackend } from '../../demo/backends.ts'
import { testCertificate } from '../support/certificates.ts'
import { type Browser, type Look, type Page, startChromium } from '../support/chromium.ts'
import { curl } from '../support/command.ts'
import { type Daemon, startDaemon } from '../support/daemon.ts'
import {
  backendRef,
  gateway,
  httpListener,
  httpRoute,
  service,
  tlsListener,
  tlsRoute,
  tlsSecret,
  yaml,
} from '../support/manifests.ts'
import { missing } from '../support/real-servers.ts'

const LOOKS: Readonly<Record<string, Look>> = {
  light: { width: 1280, height: 900, scheme: 'light' },
  dark: { width: 1280, height: 900, scheme: 'dark' },
  tablet: { width: 820, height: 1180, scheme: 'light', touch: true },
  phone: { width: 390, height: 844, scheme: 'light', touch: true },
  'phone-dark': { width: 390, height: 844, scheme: 'dark', touch: true },
}

/** A name that no file may have for itself, and that would run if it were markup. */
const MARKUP = '<img src=x onerror=globalThis.wasRun=1>'

const BROKEN = `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: later}
spec:
  parentRefs: [{name: gw}]
  "${MARKUP}": 1
`

/** An expression: the text of a row of a table, found by its first cell. */
function rowText(table: string, name: string): string {
  const rows = `[...document.querySelectorAll('#${table} tr')]`
  return `(${rows}.find((row) => row.children[0].textContent.includes('${name}'))?.innerText ?? '')`
}

describe('the status page', { skip: missing('chromium') }, () => {
  let browser: Browser
  let backend: Backend
  let daemon: Daemon
  let forward: Server
  let page: Page
  let url: string

  before(async () => {
    backend = await startHttpBackend('web')
    const route = httpRoute('later', ['later.test'], [{ backendRefs: [backendRef('web')] }])
    daemon = await startDaemon({
      workers: 1,
      files: {
        'later.yaml': yaml(route),
        'all.yaml': yaml(
          gateway([
            httpListener('http', 8080),
            tlsListener('https', 8443, 'site.test', ['site'], 'HTTPS'),
            tlsListener('pass', 8443, 'pass.test', 'passthrough'),
            tlsListener('bare', 8443, 'bare.test', ['missing'], 'HTTPS'),
          ]),
          tlsSecret('site', await testCertificate(['site.test'])),
          httpRoute(
            'web',
            ['site.test'],
            [
              { matches: [{ path: { value: '/gone' } }], backendRefs: [backendRef('gone')] },
              { backendRefs: [backendRef('web')] },
            ],
          ),
          tlsRoute('pass', ['pass.test'], [backendRef('web')]),
          ...service('web', 80, [backend]),
          ...service('gone', 80, [{ address: '127.0.0.1', port: 1 }]),
        ),
      },
    })
    forward = createServer((client) => {
      const server = connect(join(daemon.directory, 'admin.sock'))
      client.on('error', () => server.destroy()).pipe(server)
      server.on('error', () => client.destroy()).pipe(client)
    }).listen(0, '127.0.0.1')
    await once(forward, 'listening')
    url = `http://localhost:${(forward.address() as AddressInfo).port}/`
    browser = await startChromium()
    page = await browser.open(url)
    await page.look(LOOKS['light'] ?? assert.fail())
    await page.waitFor(`document.querySelector('#listeners tr')`, 'rows of listeners')
  })

  after(async () => {
    await browser?.close()
    forward?.close()
    daemon.signal('SIGTERM')
    await daemon.exited
    await backend.close()
  })

  it('shows gateways, listeners, routes, certificates and endpoints', async () => {
    const { port } = backend
    await page.waitFor(`${rowText('endpoints', 'default/web:80')}.includes('127.0.0.1:${port}')`)
    assert.match(await page.evaluate(rowText('gateways', 'default/gw')), /all\.yaml:1:1/)
    assert.match(await page.evaluate(rowText('listeners', 'https')), /OK.*8443 HTTPS.*site\.test/s)
    assert.match(
      await page.evaluate(rowText('listeners', 'bare')),
      /✕ Programmed=False.*Secret default\/missing does not exist/s,
    )
    assert.match(await page.evaluate(rowText('routes', 'HTTPRoute default/web')), /site\.test/)
    assert.match(await page.evaluate(rowText('routes', 'TLSRoute default/pass')), /–/)
    assert.match(
      await page.evaluate(rowText('certificates', 'default/site')),
      /\d+ days.*site\.test/s,
    )
    assert.match(
      await page.evaluate(`document.querySelector('#verdict').innerText`),
      /1 error in the files/,
    )
  })

  it('tells what became of an endpoint that failed', async () => {
    const health = (ejectedBy: number, onTrialBy: number) =>
      page.evaluate(
        `healthCell({ workers: 2, ejectedBy: ${ejectedBy}, ejectedForMs: 4100, onTrialBy: ${onTrialBy} }).text`,
      )
    assert.equal(await health(0, 0), 'in use')
    assert.equal(await health(1, 1), 'ejected by 1 of 2 workers, for 5 s more')
    assert.equal(await health(0, 2), 'on trial in 2 of 2 workers: no success since it failed')
  })

  it('moves its rates under traffic, and names failures', async () => {
    const figure = (name: string) => `document.querySelector('[data-figure="${name}"]').textContent`
    const isMoving = (text: string) => `/^(<0\\.1|[1-9]|0\\.[1-9])/.test(${text})`
    const ofRoute = `[...document.querySelectorAll('#routes tr')]
      .find((row) => row.children[0].textContent === 'HTTPRoute default/web')
      .querySelector('[data-label="Req./s"]').textContent`
    await page.waitFor(`${ofRoute} === '0' && ${figure('requests')} === '0'`, 'rates at rest')
    await page.evaluate(
      `void new PerformanceObserver((list) => {
        for (const { value } of list.getEntries()) globalThis.shift = (globalThis.shift ?? 0) + value
      }).observe({ type: 'layout-shift' })`,
    )
    const url = 'https://site.test:8443'
    const to = `site.test:8443:${daemon.address}`
    let running = true
    const traffic = (async () => {
      while (running) await curl(['-k', '--resolve', to, `${url}/[1-4]`, `${url}/gone`])
    })()
    try {
      const moving = [ofRoute, ...['requests', 'connections', 'failures', 'sent'].map(figure)]
      await page.waitFor(moving.map(isMoving).join(' && '), 'moving rates')
      await page.waitFor(`${rowText('failures', 'connect-refused')}.includes('backend')`)
    } finally {
      running = false
      await traffic
    }
    await page.waitFor(`${ofRoute} === '0' && ${figure('requests')} === '0'`, 'rates at rest again')
    // "Good" by Web Vitals: what somebody reads does not jump.
    assert.ok((await page.evaluate<number>('globalThis.shift ?? 0')) < 0.1)
  })

  it('shows a problem of an edit with its place, and all text as text', async () => {
    await daemon.apply({ 'later.yaml': BROKEN })
    const problems = `document.querySelector('#problems').innerText`
    await page.waitFor(`/later\\.yaml:6:\\d+/.test(${problems})`)
    await page.waitFor(`${problems}.includes(${JSON.stringify(MARKUP)})`)
    assert.match(await page.evaluate(rowText('routes', 'default/later')), /▲ the last good version/)
    assert.equal(await page.evaluate('document.querySelectorAll("main img").length'), 0)
    assert.equal(await page.evaluate('typeof globalThis.wasRun'), 'undefined')
    const route = httpRoute('later', ['later.test'], [{ backendRefs: [backendRef('web')] }])
    await daemon.apply({ 'later.yaml': yaml(route) })
    await page.waitFor(`!${problems}.includes('later.yaml')`)
  })

  it('filters', async () => {
    await page.evaluate(`document.querySelector('#filter').focus()`)
    await page.type('TLSRoute')
    await page.waitFor(`document.querySelectorAll('#routes tr').length === 1`)
    assert.equal(
      await page.evaluate(`document.querySelector('[data-count="routes"]').innerText`),
      '1 of 3 fit the filter',
    )
    assert.match(
      await page.evaluate(`document.querySelector('#certificates').innerText`),
      /None fits/,
    )
    await page.evaluate(
      `{ const box = document.querySelector('#filter'); box.value = ''; box.dispatchEvent(new Event('input')) }`,
    )
    await page.waitFor(`document.querySelectorAll('#routes tr').length === 3`)
  })

  for (const [name, look] of Object.entries(LOOKS)) {
    it(`is readable: ${name}`, async () => {
      await page.look(look)
      await page.waitFor(`innerWidth === ${look.width}`)
      // After the colours' transition.
      await page.waitFor('document.getAnimations().length === 0')
      const overflow =
        '[document.documentElement.scrollWidth, document.documentElement.clientWidth]'
      const [content = 0, window = 0] = await page.evaluate<number[]>(overflow)
      assert.ok(content <= window, `${content} wide in ${window}`)
      const faint = await page.evaluate<string[]>(FAINT)
      assert.deepEqual(faint, [])
      const directory = process.env['GWPROXY_PAGE_SCREENSHOTS']
      if (directory !== undefined) await page.screenshot(join(directory, `page-${name}.png`))
    })
  }

  it('is light or dark as the browser asks', async () => {
    const ground = `getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)`
    const brightness = async (look: Look | undefined): Promise<number> => {
      await page.look(look ?? assert.fail())
      return Math.max(...(await page.evaluate<number[]>(ground)))
    }
    assert.ok((await brightness(LOOKS['light'])) > 200)
    assert.ok((await brightness(LOOKS['dark'])) < 60)
  })

  it('loads nothing from elsewhere, and nothing went wrong', async () => {
    const loaded = await page.evaluate<string[]>(
      `performance.getEntriesByType('resource').map(({ name }) => name)`,
    )
    assert.ok(loaded.length > 2)
    assert.deepEqual(
      loaded.filter((name) => !name.startsWith(url)),
      [],
    )
    assert.deepEqual(page.complaints, [])
  })

  it('asks nothing while paused, and says when nobody answers', async () => {
    const verdict = `document.querySelector('#verdict').innerText`
    await page.evaluate(`document.querySelector('#pause').click()`)
    // What was under way comes back first; without the pause no three seconds are silent.
    await page.waitFor(
      `new Promise((resolve) => {
        const asked = () => performance.getEntriesByType('resource').length
        const before = asked()
        setTimeout(() => resolve(asked() === before), 3000)
      })`,
      'silence',
    )
    assert.equal(await daemon.stop(), 0)
    assert.doesNotMatch(await page.evaluate(verdict), /No answer/)
    await page.evaluate(`document.querySelector('#pause').click()`)
    await page.waitFor(`${verdict}.includes('No answer')`)
  })
})

/** Elements whose text has a contrast below 4.5:1 (WCAG 2.2, 1.4.3) against what is behind it. */
const FAINT = `(() => {
  const numbers = (color) => (color.match(/[\\d.]+/g) ?? []).map(Number)
  const light = (channel) => (channel / 255 <= 0.04045 ? channel / 255 / 12.92 : ((channel / 255 + 0.055) / 1.055) ** 2.4)
  const luminance = ([r, g, b]) => 0.2126 * light(r) + 0.7152 * light(g) + 0.0722 * light(b)
  const ground = (element) => {
    for (let one = element; one !== null; one = one.parentElement) {
      const color = numbers(getComputedStyle(one).backgroundColor)
      if (color.length === 3 || color[3] === 1) return color
    }
    return [255, 255, 255]
  }
  const shown = [...document.body.querySelectorAll('*')].filter((element) =>
    element.checkVisibility() && [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== ''))
  const contrast = (element) => {
    const [a, b] = [luminance(numbers(getComputedStyle(element).color)), luminance(ground(element))]
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
  }
  if (shown.length < 50) return ['only ' + shown.length + ' elements are shown']
  return shown.filter((element) => contrast(element) < 4.5).map((element) => contrast(element).toFixed(2) + ' ' + element.textContent)
})()`
