/** Limits of control groups of both versions, read from trees as kernels and container engines lay them out. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, describe, it } from 'node:test'
import { type CgroupLimits, readCgroupLimits } from '../../../src/control/cgroup.ts'
import { readMachine } from '../../../src/control/machine.ts'

const GIB = 1024 ** 3
const home = mkdtempSync(join(tmpdir(), 'gwproxy-cgroup-'))
after(() => rmSync(home, { recursive: true }))

let trees = 0

/** Files by their path from `/`; gives what stands for `/`. */
function tree(files: Readonly<Record<string, string>>): string {
  trees += 1
  const root = join(home, String(trees))
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(root, dirname(name)), { recursive: true })
    writeFileSync(join(root, name), `${text}\n`)
  }
  return root
}

function limits(files: Readonly<Record<string, string>>): CgroupLimits & { usage?: string } {
  const root = tree(files)
  const { cpus, memory } = readCgroupLimits(root)
  return { cpus, memory, ...(memory && { usage: memory.usagePath.slice(root.length) }) }
}

const V2 = '30 22 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate'
const V1 = [
  '31 23 0:27 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755',
  '32 31 0:28 /docker/abc /sys/fs/cgroup/systemd ro master:11 - cgroup cgroup rw,xattr,name=systemd',
  '33 31 0:29 /docker/abc /sys/fs/cgroup/cpu,cpuacct ro master:15 - cgroup cgroup rw,cpu,cpuacct',
  '34 31 0:30 /docker/abc /sys/fs/cgroup/memory ro master:16 - cgroup cgroup rw,memory',
].join('\n')

describe('control groups, version 2', () => {
  it('of a container: what it sees is its own', () => {
    const { cpus, memory, usage } = limits({
      'proc/self/cgroup': '0::/',
      'proc/self/mountinfo': V2,
      'sys/fs/cgroup/cpu.max': '150000 100000',
      'sys/fs/cgroup/memory.max': String(GIB),
      'sys/fs/cgroup/memory.high': 'max',
    })
    assert.equal(cpus, 1.5)
    assert.equal(memory?.limitBytes, GIB)
    assert.equal(memory?.cacheField, 'inactive_file')
    assert.equal(usage, '/sys/fs/cgroup/memory.current')
  })

  it('of a service: the tightest from its own up to the slice', () => {
    const { cpus, memory, usage } = limits({
      'proc/self/cgroup': '0::/system.slice/gwproxy.service',
      'proc/self/mountinfo': V2,
      'sys/fs/cgroup/system.slice/gwproxy.service/cpu.max': '400000 100000',
      'sys/fs/cgroup/system.slice/gwproxy.service/memory.max': String(2 * GIB),
      'sys/fs/cgroup/system.slice/cpu.max': '50000 100000',
      'sys/fs/cgroup/system.slice/memory.max': 'max',
      'sys/fs/cgroup/system.slice/memory.high': String(GIB),
    })
    assert.equal(cpus, 0.5)
    assert.equal(memory?.limitBytes, GIB)
    assert.equal(usage, '/sys/fs/cgroup/system.slice/memory.current')
  })

  it('without a limit, or hidden, or malformed: none', () => {
    const none = { cpus: undefined, memory: undefined }
    assert.deepEqual(limits({}), none)
    assert.deepEqual(limits({ 'proc/self/cgroup': '0::/', 'proc/self/mountinfo': V2 }), none)
    const open = { 'sys/fs/cgroup/cpu.max': 'max 100000', 'sys/fs/cgroup/memory.max': 'max' }
    const odd = { 'sys/fs/cgroup/cpu.max': '-5', 'sys/fs/cgroup/memory.max': 'lots' }
    for (const files of [open, odd]) {
      assert.deepEqual(
        limits({ 'proc/self/cgroup': '0::/', 'proc/self/mountinfo': V2, ...files }),
        none,
      )
    }
  })

  it('mounted at a place with a space', () => {
    const { cpus } = limits({
      'proc/self/cgroup': '0::/a',
      'proc/self/mountinfo': '30 22 0:26 / /the\\040groups rw - cgroup2 cgroup2 rw',
      'the groups/a/cpu.max': '200000 100000',
    })
    assert.equal(cpus, 2)
  })
})

describe('control groups, version 1', () => {
  it('of a container without a namespace: paths are the host’s, mounts begin at its own', () => {
    const { cpus, memory, usage } = limits({
      'proc/self/cgroup':
        '4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc',
      'proc/self/mountinfo': V1,
      'sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us': '300000',
      'sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us': '100000',
      'sys/fs/cgroup/memory/memory.limit_in_bytes': String(GIB),
    })
    assert.equal(cpus, 3)
    assert.equal(memory?.limitBytes, GIB)
    assert.equal(memory?.cacheField, 'total_inactive_file')
    assert.equal(usage, '/sys/fs/cgroup/memory/memory.usage_in_bytes')
  })

  it('without a limit: none', () => {
    const { cpus, memory } = limits({
      'proc/self/cgroup': '4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc',
      'proc/self/mountinfo': V1,
      'sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us': '-1',
      'sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us': '100000',
      'sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712',
    })
    assert.deepEqual([cpus, memory], [undefined, undefined])
  })

  it('beside version 2, each where its controllers are', () => {
    const { cpus, memory } = limits({
      'proc/self/cgroup': '4:memory:/here\n0::/there',
      'proc/self/mountinfo': `34 31 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n${V2.replace('cgroup rw', 'cgroup/unified rw')}`,
      'sys/fs/cgroup/memory/here/memory.limit_in_bytes': String(GIB),
      'sys/fs/cgroup/unified/there/cpu.max': '100000 100000',
    })
    assert.deepEqual([cpus, memory?.limitBytes], [1, GIB])
  })
})

it('processors are those of the mask', () => {
  const root = tree({ 'proc/self/status': 'Name:\tnode\nCpus_allowed_list:\t0-2,5,8-9' })
  assert.equal(readMachine(root).processors, 6)
  assert.ok(readMachine(tree({ x: '' })).processors >= 1)
})
