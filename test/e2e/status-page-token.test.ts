/** The status page of an admin address that asks for a token, and who gets what without it. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type Browser, startChromium } from '../support/chromium.ts'
import { curl } from '../support/command.ts'
import { type Daemon, startDaemon } from '../support/daemon.ts'
import { freeWildcardPort } from '../support/free-port.ts'
import { gateway, httpListener, yaml } from '../support/manifests.ts'
import { missing } from '../support/real-servers.ts'

const LISTENERS = `document.querySelector('#listeners').innerText`

describe('the status page of an address with a token', { skip: missing('chromium') }, () => {
  let browser: Browser
  let daemon: Daemon
  let [admin, metrics] = ['', '']

  before(async () => {
    admin = `127.0.0.1:${await freeWildcardPort()}`
    metrics = `127.0.0.1:${await freeWildcardPort()}`
    daemon = await startDaemon({
      files: { 'all.yaml': yaml(gateway([httpListener('http', 8080)])) },
      args: ['--admin', admin, '--metrics', metrics],
      env: { GWPROXY_ADMIN_TOKEN: 'open-sesame' },
    })
    browser = await startChromium()
  })

  after(async () => {
    await browser?.close()
    assert.equal(await daemon.stop(), 0)
  })

  it('asks for it, keeps it in the tab, and nowhere in an address', async () => {
    const page = await browser.open(`http://${admin}/`)
    const verdict = `document.querySelector('#verdict').innerText`
    const enter = async (token: string): Promise<void> => {
      await page.waitFor(`document.activeElement.id === 'token-value'`)
      await page.type(token)
      await page.evaluate(`document.querySelector('#token button').click()`)
    }
    await page.waitFor(`${verdict}.includes('A token is needed')`)
    assert.equal(await page.evaluate(`${LISTENERS}.trim()`), '')
    await enter('guess')
    await page.waitFor(`${verdict}.includes('not the right one')`)
    await enter('open-sesame')
    await page.waitFor(`${LISTENERS}.includes('http')`)
    const seen = `[location.href, document.cookie, JSON.stringify(localStorage), document.documentElement.outerHTML,
      ...performance.getEntriesByType('resource').map(({ name }) => name)].join()`
    assert.doesNotMatch(await page.evaluate(seen), /open-sesame/)
    await page.reload()
    await page.waitFor(`${LISTENERS}.includes('http')`)
  })

  it('gives strangers the empty page alone, and the metrics listener none', async () => {
    const code = async (url: string): Promise<string> =>
      (await curl(['-o', '/dev/null', '-w', '%{http_code}', url])).stdout
    for (const [path, expected] of [
      ['/', '200'],
      ['/page.js', '200'],
      ['/page', '401'],
      ['/status', '401'],
    ]) {
      assert.equal(await code(`http://${admin}${path}`), expected, path)
    }
    for (const path of ['/', '/page', '/page.js']) {
      assert.equal(await code(`http://${metrics}${path}`), '404', path)
    }
  })
})
