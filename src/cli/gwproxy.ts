/**
 * The executable's first file: checks the runtime before anything else is loaded (its libraries break
 * on import under Node 20), then hands over to the program.
 */

// SIGUSR1 would open Node's inspector. Node's own flag against that blocks the signal altogether,
// and then logs could not be opened anew.
process.on('SIGUSR1', () => undefined)

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < 22 || (major === 22 && minor < 22)) {
  process.stderr.write(
    `gwproxy: needs Node.js 22.22 or newer, this is ${process.version}. Start it with bin/gwproxy, which finds one.\n`,
  )
  process.exit(70)
}

// Not awaited: a bundle is a script, not a module.
void import('./program.ts').then(({ runProgram }) => runProgram(process.argv))
