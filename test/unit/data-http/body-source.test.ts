import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { describe, it } from 'node:test'
import { BodySource } from '../../../src/data/http/body-source.ts'
import { RequestBody } from '../../../src/data/http/request-body.ts'

class Client extends PassThrough {
  aborted = false
}

/** What an attempt and its watcher are told, in order. */
function attempt(body: RequestBody): { source: BodySource; told: string[] } {
  const told: string[] = []
  const source = new BodySource(body, {
    onBodyWanted: () => told.push('wanted'),
    onBodyChunk: (bytes, more) => told.push(`${bytes} ${more ? 'more' : 'full'}`),
    onBodyEnd: () => told.push('whole'),
  })
  source.on('data', (chunk) => told.push(chunk.toString()))
  source.on('end', () => told.push('end'))
  source.on('close', () => told.push('close'))
  return { source, told }
}

describe('the body of an attempt', () => {
  it('is asked for when its upstream takes it, and ends with its source', async () => {
    const client = new Client()
    client.end('hello')
    const { source, told } = attempt(new RequestBody(client))
    await turn()
    assert.deepEqual(told, [])
    source.resume()
    await turn()
    await turn()
    assert.deepEqual(told, ['wanted', 'hello', '5 more', 'whole', 'end'])
  })

  it('stops while its upstream is full', async () => {
    const client = new Client()
    const { source, told } = attempt(new RequestBody(client))
    source.on('data', (chunk) => {
      told.push(chunk.toString())
      source.pause()
    })
    source.resume()
    client.write('one')
    await turn()
    client.end('two')
    await turn()
    assert.deepEqual(told, ['wanted', 'one', '3 full'])
    source.resume()
    await turn()
    assert.deepEqual(told.slice(3), ['wanted', 'two', '3 full', 'whole', 'end'])
  })

  it('is sent again from its first byte, as far as that is taken', async () => {
    const client = new Client()
    const body = new RequestBody(client, 100)
    const first = attempt(body)
    first.source.resume()
    client.write('one')
    await turn()
    first.source.destroy()
    client.end('two')
    await turn()
    const second = attempt(body)
    second.source.on('data', (chunk) => {
      second.told.push(chunk.toString())
      if (second.told.length === 2) second.source.pause()
    })
    second.source.resume()
    await turn()
    assert.deepEqual(second.told, ['wanted', 'one'])
    second.source.resume()
    await turn()
    await turn()
    assert.deepEqual(second.told.slice(2), ['wanted', 'two', '3 more', 'whole', 'end'])
    assert.deepEqual(first.told, ['wanted', 'one', '3 more'])
  })

  it('that breaks off is no whole one', async () => {
    const client = new Client()
    const { source, told } = attempt(new RequestBody(client))
    source.resume()
    client.aborted = true
    client.end()
    await turn()
    await turn()
    assert.deepEqual(told, ['wanted', 'close'])
  })

  it('tells nothing once it is given up', async () => {
    const client = new Client()
    const { source, told } = attempt(new RequestBody(client))
    source.resume()
    source.destroy()
    client.end('hello')
    await turn()
    source.resume()
    await turn()
    assert.deepEqual(told, ['wanted'])
    assert.equal(client.listenerCount('data'), 0)
  })
})
