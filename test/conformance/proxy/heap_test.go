package proxy

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
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

// A process that says nothing would hold the whole run up.
func TestHeapsAreAskedForAgain(t *testing.T) {
	defer func(before time.Duration) { answerTime = before }(answerTime)
	answerTime = 50 * time.Millisecond
	var connections atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		upgrader := websocket.Upgrader{}
		connection, err := upgrader.Upgrade(response, request, nil)
		if err != nil {
			return
		}
		defer connection.Close()
		isMute := connections.Add(1) == 1
		for {
			var asked message
			if connection.ReadJSON(&asked) != nil {
				return
			}
			if isMute {
				continue
			}
			if asked.Method == "HeapProfiler.takeHeapSnapshot" {
				const file = `{"snapshot":{"meta":{"node_fields":["type","name","self_size"],"node_types":[["object"]]}},"nodes":[0,0,7],"strings":["Kept"]}`
				connection.WriteJSON(map[string]any{"method": "HeapProfiler.addHeapSnapshotChunk", "params": map[string]any{"chunk": file}})
			}
			connection.WriteJSON(map[string]any{"id": asked.ID})
		}
	}))
	defer server.Close()
	heaps, err := askedHeaps("process 0", strings.Replace(server.URL, "http", "ws", 1))
	require.NoError(t, err)
	require.Len(t, heaps, 1)
	assert.Equal(t, 7, heaps[0].Size())
	assert.EqualValues(t, 2, connections.Load())
}
