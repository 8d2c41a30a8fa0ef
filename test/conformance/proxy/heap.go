package proxy

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/gorilla/websocket"
)

// Heap is what one thread of JavaScript keeps alive, by kind of object, in bytes.
type Heap struct {
	Name  string // Such as "process 0 config-thread.ts".
	kinds map[string]int
}

// inspect is what makes the runtime open its inspector in each process, at a free port that it logs.
// The proxy itself has no part in it. The engine's room for young objects, up to 48 MiB for each thread
// and given back when it likes, is kept small: what stays resident shall tell of what is kept.
const inspect = "NODE_OPTIONS=--inspect=127.0.0.1:0 --max-semi-space-size=2"

var inspectorAddress = regexp.MustCompile(`(?m)^Debugger listening on (ws://\S+)$`)

// isOfInspector recognises what the runtime logs because it is inspected.
func isOfInspector(line string) bool {
	for _, prefix := range []string{"Debugger listening on ws://", "Debugger attached.", "Debugger ending on ws://", "For help, see: https://nodejs.org/"} {
		if strings.HasPrefix(line, prefix) {
			return true
		}
	}
	return false
}

// Heaps returns what is alive in each thread of each process, after a collection.
func (p *Proxy) Heaps() ([]Heap, error) {
	text, err := os.ReadFile(p.log.Name())
	if err != nil {
		return nil, err
	}
	var heaps []Heap
	for number, address := range inspectorAddress.FindAllSubmatch(text, -1) {
		found, err := askedHeaps(fmt.Sprintf("process %d", number), string(address[1]))
		if errors.Is(err, syscall.ECONNREFUSED) {
			continue // It has ended.
		}
		if err != nil {
			return nil, err
		}
		heaps = append(heaps, found...)
	}
	return heaps, nil
}

// answerTime is some times what a snapshot takes on a busy machine.
var answerTime = 15 * time.Second

// attempts at a process that does not answer.
const attempts = 3

// askedHeaps asks again, on a connection of its own, when a thread does not answer.
func askedHeaps(process, address string) (heaps []Heap, err error) {
	for range attempts {
		heaps, err = heapsOf(process, address)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
	}
	return heaps, err
}

func heapsOf(process, address string) ([]Heap, error) {
	connection, _, err := websocket.DefaultDialer.Dial(address, nil)
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	i := &inspector{connection: connection}
	// Tells of all threads before it is answered.
	if err := i.call(mainThread, "NodeWorker.enable", map[string]any{"waitForDebuggerOnStart": false}); err != nil {
		return nil, err
	}
	var heaps []Heap
	for _, thread := range append([]thread{mainThread}, i.threads...) {
		i.snapshot.Reset()
		// A snapshot is of what a full collection leaves.
		if err := i.call(thread, "HeapProfiler.takeHeapSnapshot", map[string]any{}); err != nil {
			return nil, err
		}
		kinds, err := kindsOf(i.snapshot.String())
		if err != nil {
			return nil, err
		}
		heaps = append(heaps, Heap{Name: process + " " + thread.name, kinds: kinds})
	}
	return heaps, nil
}

// thread is one of a process; its main thread has no session of its own.
type thread struct{ name, session string }

var mainThread = thread{name: "main thread"}

// inspector speaks the Chrome DevTools protocol with a process, one call at a time.
type inspector struct {
	connection *websocket.Conn
	calls      int
	threads    []thread
	snapshot   strings.Builder
}

type message struct {
	ID     int             `json:"id"`
	Method string          `json:"method"`
	Error  json.RawMessage `json:"error"`
	Params struct {
		SessionID  string               `json:"sessionId"`
		WorkerInfo struct{ URL string } `json:"workerInfo"`
		Message    string               `json:"message"` // Of a thread.
		Chunk      string               `json:"chunk"`   // Of a snapshot.
	} `json:"params"`
}

// call returns when the thread has answered, and keeps what was told meanwhile; os.ErrDeadlineExceeded
// when it has not in time.
func (i *inspector) call(to thread, method string, params map[string]any) error {
	i.calls++
	number := i.calls
	request := map[string]any{"id": number, "method": method, "params": params}
	if to.session != "" {
		text, err := json.Marshal(request)
		if err != nil {
			return err
		}
		i.calls++
		request = map[string]any{"id": i.calls, "method": "NodeWorker.sendMessageToWorker", "params": map[string]any{"sessionId": to.session, "message": string(text)}}
	}
	if err := i.connection.WriteJSON(request); err != nil {
		return err
	}
	// Of the whole answer: chunks of a snapshot come all the time until it is there.
	if err := i.connection.SetReadDeadline(time.Now().Add(answerTime)); err != nil {
		return err
	}
	for {
		var told message
		if err := i.connection.ReadJSON(&told); err != nil {
			return err
		}
		if told.Method == "NodeWorker.receivedMessageFromWorker" {
			text := told.Params.Message
			told = message{}
			if err := json.Unmarshal([]byte(text), &told); err != nil {
				return err
			}
		}
		switch {
		case told.Error != nil:
			return fmt.Errorf("%s: %s", method, told.Error)
		case told.ID == number:
			return nil
		case told.Method == "NodeWorker.attachedToWorker":
			name := path.Base(told.Params.WorkerInfo.URL)
			i.threads = append(i.threads, thread{name: name, session: told.Params.SessionID})
		case told.Method == "HeapProfiler.addHeapSnapshotChunk":
			i.snapshot.WriteString(told.Params.Chunk)
		}
	}
}

// kindsOf sums a snapshot up, without code: what the engine has compiled and learnt of the functions
// that ran comes and goes as it sees fit.
func kindsOf(text string) (map[string]int, error) {
	var file struct {
		Snapshot struct {
			Meta struct {
				Fields []string          `json:"node_fields"`
				Types  []json.RawMessage `json:"node_types"`
			}
		}
		Nodes   []int
		Strings []string
	}
	if err := json.Unmarshal([]byte(text), &file); err != nil {
		return nil, fmt.Errorf("heap snapshot: %w", err)
	}
	fields := file.Snapshot.Meta.Fields
	typeAt, nameAt, sizeAt := slices.Index(fields, "type"), slices.Index(fields, "name"), slices.Index(fields, "self_size")
	if min(typeAt, nameAt, sizeAt) < 0 {
		return nil, fmt.Errorf("heap snapshot: unknown fields %v", fields)
	}
	var types []string
	if err := json.Unmarshal(file.Snapshot.Meta.Types[typeAt], &types); err != nil {
		return nil, fmt.Errorf("heap snapshot: %w", err)
	}
	kinds := map[string]int{}
	for node := range slices.Chunk(file.Nodes, len(fields)) {
		kind := types[node[typeAt]]
		switch {
		case kind == "code":
			continue
		case !strings.Contains(kind, "string"): // A string's name is its text.
			kind += " " + file.Strings[node[nameAt]]
		}
		kinds[kind] += node[sizeAt]
	}
	return kinds, nil
}

// Size is the sum of all kinds.
func (h Heap) Size() int {
	sum := 0
	for size := range maps.Values(h.kinds) {
		sum += size
	}
	return sum
}

// GrownSince names the kinds that grew most.
func (h Heap) GrownSince(before Heap) string {
	const shown = 8
	kinds := slices.SortedFunc(maps.Keys(h.kinds), func(a, b string) int {
		return cmp.Compare(h.kinds[b]-before.kinds[b], h.kinds[a]-before.kinds[a])
	})
	var text strings.Builder
	for _, kind := range kinds[:min(shown, len(kinds))] {
		fmt.Fprintf(&text, "\n%+d %s", h.kinds[kind]-before.kinds[kind], kind)
	}
	return text.String()
}
