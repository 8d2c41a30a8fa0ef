package workloads

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLogHasWholeLinesSinceATime(t *testing.T) {
	var ring logRing
	ring.Write([]byte("one\ntw"))
	require.Equal(t, "one\n", string(ring.since(time.Time{})))
	later := time.Now().Add(time.Nanosecond)
	for !time.Now().After(later) {
	}
	ring.Write([]byte("o\nthree\n"))
	require.Equal(t, "one\ntwo\nthree\n", string(ring.since(time.Time{})))
	require.Equal(t, "two\nthree\n", string(ring.since(later)), "a line has the time of its end")
	require.Empty(t, ring.since(time.Now().Add(time.Hour)))
}

func TestLogKeepsTheLastLines(t *testing.T) {
	var ring logRing
	for i := range maxLogLines + 3 {
		fmt.Fprintln(&ring, i)
	}
	lines := strings.Split(strings.TrimSpace(string(ring.since(time.Time{}))), "\n")
	require.Len(t, lines, maxLogLines)
	require.Equal(t, "3", lines[0])
	require.Equal(t, fmt.Sprint(maxLogLines+2), lines[len(lines)-1])
}

func TestLogCutsEndlessLines(t *testing.T) {
	var ring logRing
	for range 100 {
		ring.Write(make([]byte, maxLineSize/2))
	}
	ring.Write([]byte("\nnext\n"))
	require.Len(t, ring.since(time.Time{}), maxLineSize+len("\nnext\n"))
}

func TestLogTail(t *testing.T) {
	var ring logRing
	require.Empty(t, ring.tail())
	for i := range 30 {
		fmt.Fprintln(&ring, i)
	}
	require.True(t, strings.HasPrefix(string(ring.tail()), "10\n"))
}
