import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  describeUnreadable,
  isBelow,
  type PathProbe,
  walkPath,
} from '../../../src/config/path-walk.ts'

/** A file system as another user sees it: certbot's tree with a closed archive. */
function probe(options: { closed?: string; unreadable?: string } = {}): PathProbe {
  const links: Readonly<Record<string, string>> = {
    '/etc/le/live/a/privkey.pem': '../../archive/a/privkey1.pem',
    '/loop': '/loop',
  }
  const missing = new Set(['/etc/le/live/b'])
  return {
    linkTarget: (path) => {
      if (missing.has(path)) throw Object.assign(new Error('gone'), { code: 'ENOENT' })
      return links[path]
    },
    mayEnter: (directory) => directory !== options.closed,
    mayRead: (path) => path !== options.unreadable,
  }
}

const EACCES = Object.assign(new Error('permission denied'), { code: 'EACCES' })

describe('walking a path', () => {
  it('stops at every link and at the end', () => {
    assert.deepEqual(walkPath('/etc/le/live/a/privkey.pem', probe()), {
      stops: ['/etc/le/live/a/privkey.pem', '/etc/le/archive/a/privkey1.pem'],
    })
  })

  it('finds the first blocked directory, also behind links', () => {
    const { blocked } = walkPath('/etc/le/live/a/privkey.pem', probe({ closed: '/etc/le/archive' }))
    assert.equal(blocked, '/etc/le/archive')
  })

  it('finds the first missing name and gives up on loops', () => {
    assert.equal(walkPath('/etc/le/live/b/x.pem', probe()).missing, '/etc/le/live/b')
    assert.equal(walkPath('/loop', probe()).loop, true)
  })
})

describe('why a file cannot be read', () => {
  const path = '/etc/le/live/a/privkey.pem'

  it('names the user and the first blocked directory', () => {
    const closed = probe({ closed: '/etc/le/archive' })
    assert.deepEqual(describeUnreadable(path, EACCES, closed, 'gwproxy'), {
      message: `user gwproxy may not read ${path}: the directory /etc/le/archive is closed to it`,
      help: 'setfacl -m u:gwproxy:x /etc/le/archive',
    })
  })

  it('names the target of the link when only that is closed', () => {
    const unreadable = probe({ unreadable: '/etc/le/archive/a/privkey1.pem' })
    assert.deepEqual(describeUnreadable(path, EACCES, unreadable, 'gwproxy'), {
      message: `user gwproxy may not read ${path}`,
      help: 'setfacl -m u:gwproxy:r /etc/le/archive/a/privkey1.pem',
    })
  })

  it('names what is missing', () => {
    const error = Object.assign(new Error('gone'), { code: 'ENOENT' })
    assert.deepEqual(describeUnreadable('/etc/le/live/b/x.pem', error, probe(), 'gwproxy'), {
      message: '/etc/le/live/b/x.pem does not exist: /etc/le/live/b is missing',
    })
  })
})

describe('isBelow', () => {
  it('compares by path element', () => {
    assert.ok(isBelow('/a/b', '/a/b'))
    assert.ok(isBelow('/a/b', '/a/b/c'))
    assert.ok(isBelow('.', 'a.yaml'))
    assert.ok(isBelow('/a', '/a/..b'))
    assert.ok(!isBelow('/a/b', '/a/bc'))
    assert.ok(!isBelow('/a/b', '/a'))
  })
})
