'use strict'
/**
 * Preloaded in every process and thread of a daemon: once $GWPROXY_RECORD/now exists, or at the end of
 * a process that finds it, keeps beside each script what V8 has compiled of it, functions that ran
 * included, and leaves the script's name in that directory.
 */
const { existsSync, renameSync, writeFileSync } = require('node:fs')
const { basename, join } = require('node:path')
const vm = require('node:vm')

const directory = process.env.GWPROXY_RECORD
const scripts = new Map()

vm.Script = class extends vm.Script {
  constructor(code, options) {
    super(code, options)
    scripts.set(options.filename, this)
  }
}

function keep() {
  if (!existsSync(join(directory, 'now'))) return
  clearInterval(timer)
  process.off('exit', keep)
  for (const [filename, script] of scripts) {
    const cache = `${filename}.cache`
    writeFileSync(`${cache}.part`, script.createCachedData())
    renameSync(`${cache}.part`, cache)
    writeFileSync(join(directory, basename(filename)), '')
  }
}

const timer = setInterval(keep, 20).unref()
process.on('exit', keep)
