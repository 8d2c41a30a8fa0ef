/** At most `limit` values; the one that was not used for longest makes room. */
export class BoundedCache<T> {
  readonly #limit: number
  /** In order of last use. */
  readonly #values = new Map<string, T>()

  constructor(limit: number) {
    this.#limit = limit
  }

  get size(): number {
    return this.#values.size
  }

  getOrCreate(key: string, create: () => T): T {
    const known = this.#values.get(key)
    const value = known ?? create()
    if (known !== undefined) this.#values.delete(key)
    this.#values.set(key, value)
    if (this.#values.size > this.#limit) this.#dropOldest()
    return value
  }

  delete(key: string): void {
    this.#values.delete(key)
  }

  clear(): void {
    this.#values.clear()
  }

  #dropOldest(): void {
    const [oldest] = this.#values.keys()
    if (oldest !== undefined) this.#values.delete(oldest)
  }
}
