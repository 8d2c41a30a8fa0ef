/** Times of log lines, which come in order and many to a second. */

let second = Number.NaN
let written = ''

/** As `Date.toISOString`; `time` in whole milliseconds since the epoch. */
export function isoTime(time: number): string {
  const its = Math.floor(time / 1000)
  if (its !== second) {
    written = new Date(time).toISOString().slice(0, -'000Z'.length)
    second = its
  }
  const ms = time - its * 1000
  return `${written}${ms < 10 ? '00' : ms < 100 ? '0' : ''}${ms}Z`
}
