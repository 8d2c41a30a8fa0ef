'use strict'
/**
 * Entry of a bundle. V8 takes over what it compiled when the package was built; another V8 than that
 * one says no by itself, and compiles.
 */
const { readFileSync } = require('node:fs')
const { Script } = require('node:vm')
const { pathToFileURL } = require('node:url')

const filename = `${__dirname}/BUNDLE`

function compiled() {
  try {
    return readFileSync(`${filename}.cache`)
  } catch {
    return undefined
  }
}

const script = new Script(readFileSync(filename, 'latin1'), { filename, cachedData: compiled() })
script.runInThisContext()(require, module, exports, filename, __dirname, pathToFileURL(filename).href)
