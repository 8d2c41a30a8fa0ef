package workloads

import (
	"bytes"
	"sync"
	"time"
)

// The bounds of what is kept of a container's output.
const (
	maxLogLines = 1 << 16
	maxLineSize = 1 << 14
)

// logRing keeps the last lines of a container's output, each with the time when it was complete.
type logRing struct {
	mu      sync.Mutex
	lines   []logLine
	oldest  int // Where the ring starts once it is full.
	partial []byte
}

type logLine struct {
	at   time.Time
	text []byte // With its line feed.
}

// Write implements io.Writer; output arrives in pieces of any size.
func (ring *logRing) Write(output []byte) (int, error) {
	ring.mu.Lock()
	defer ring.mu.Unlock()
	for piece := range bytes.Lines(output) {
		room := max(0, maxLineSize-len(ring.partial))
		if piece[len(piece)-1] != '\n' {
			ring.partial = append(ring.partial, piece[:min(room, len(piece))]...)
			continue
		}
		text := append(ring.partial, piece[:min(room, len(piece)-1)]...)
		ring.partial = nil
		ring.add(logLine{time.Now(), append(text, '\n')})
	}
	return len(output), nil
}

func (ring *logRing) add(line logLine) {
	if len(ring.lines) < maxLogLines {
		ring.lines = append(ring.lines, line)
		return
	}
	ring.lines[ring.oldest] = line
	ring.oldest = (ring.oldest + 1) % maxLogLines
}

// since returns the lines that were written at or after a time.
func (ring *logRing) since(start time.Time) []byte {
	ring.mu.Lock()
	defer ring.mu.Unlock()
	var output []byte
	for i := range ring.lines {
		line := ring.lines[(ring.oldest+i)%len(ring.lines)]
		if !line.at.Before(start) {
			output = append(output, line.text...)
		}
	}
	return output
}

// tail returns the last few lines.
func (ring *logRing) tail() []byte {
	lines := bytes.SplitAfter(bytes.TrimSpace(ring.since(time.Time{})), []byte("\n"))
	return bytes.Join(lines[max(0, len(lines)-20):], nil)
}
