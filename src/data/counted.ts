/** Shared objects by key, counted by their holders: made by the first, closed after the last. */
import { GwProxyError } from '../base/errors.ts'

interface Entry<T> {
  readonly value: T
  holders: number
}

export class Counted<T> {
  readonly #entries = new Map<string, Entry<T>>()
  readonly #close: ((value: T) => void) | undefined

  constructor(close?: (value: T) => void) {
    this.#close = close
  }

  hold(key: string, create: () => T): T {
    const entry = this.#entries.get(key)
    if (entry !== undefined) {
      entry.holders += 1
      return entry.value
    }
    const value = create()
    this.#entries.set(key, { value, holders: 1 })
    return value
  }

  /** Throws a defect when nobody holds it: a release too many would close what others use. */
  drop(key: string): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) {
      throw new GwProxyError('GWP_DEFECT_INVARIANT', `released more often than held: ${key}`)
    }
    entry.holders -= 1
    if (entry.holders > 0) return
    this.#entries.delete(key)
    this.#close?.(entry.value)
  }

  values(): IterableIterator<T> {
    return [...this.#entries.values()].map(({ value }) => value).values()
  }
}
