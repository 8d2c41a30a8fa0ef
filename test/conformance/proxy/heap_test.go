package proxy

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// holder is a program with a thread; at each SIGUSR2 its main thread keeps more.
const holder = `
import { Worker } from 'node:worker_threads'
class Kept { number = Math.random() }
const kept = []
process.on('SIGUSR2', () => {
  for (let i = 0; i < 50_000; i++) kept.push(new Kept())
  console.log('kept')
})
process.on('SIGTERM', () => process.exit())
const thread = new Worker(new URL('thread.mjs', import.meta.url))
thread.on('online', () => console.log('ready'))
`

func TestHeapsShowWhatIsKept(t *testing.T) {
	checkout, err := Checkout()
	require.NoError(t, err)
	directory := t.TempDir()
	for name, text := range map[string]string{"main.mjs": holder, "thread.mjs": "setInterval(() => {}, 1000)"} {
		require.NoError(t, os.WriteFile(filepath.Join(directory, name), []byte(text), 0o644))
	}
	node := filepath.Join(filepath.Dir(checkout), "bin", "gwproxy")
	started, log := script(t, fmt.Sprintf("exec %s --node %s/main.mjs\n", node, directory))
	heaps := func() []Heap {
		found, err := started.Heaps()
		require.NoError(t, err)
		require.Len(t, found, 2)
		return found
	}
	waitForLine(t, log, "ready")
	heaps() // What the first look itself leaves behind.
	before := heaps()
	assert.Equal(t, "process 0 main thread", before[0].Name)
	assert.Equal(t, "process 0 thread.mjs", before[1].Name)
	require.NoError(t, started.command.Process.Signal(syscall.SIGUSR2))
	waitForLine(t, log, "kept")
	after := heaps()
	assert.Greater(t, after[0].Size(), before[0].Size()+1_000_000)
	assert.InDelta(t, before[1].Size(), after[1].Size(), 50_000, after[1].GrownSince(before[1]))
	assert.Contains(t, after[0].GrownSince(before[0]), "object Kept")
	require.NoError(t, started.Stop())

	file, err := os.Open(log)
	require.NoError(t, err)
	defer file.Close()
	lines, err := UnexpectedLines(file)
	require.NoError(t, err)
	assert.Equal(t, []string{"ready", "kept"}, lines)
}
