package proxy

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// script starts a program that stands in for the proxy.
func script(t *testing.T, text string) (started *Proxy, log string) {
	t.Helper()
	directory := t.TempDir()
	executable := filepath.Join(directory, "proxy")
	require.NoError(t, os.WriteFile(executable, []byte("#!/bin/sh\n"+text), 0o755))
	log = filepath.Join(directory, "log")
	started, err := Start(Options{Executable: executable, Log: log})
	require.NoError(t, err)
	return started, log
}

func waitForText(t *testing.T, path, wanted string) {
	t.Helper()
	require.Eventually(t, func() bool {
		text, err := os.ReadFile(path)
		return err == nil && string(text) == wanted
	}, 10*time.Second, time.Millisecond)
}

func waitForLine(t *testing.T, path, wanted string) {
	t.Helper()
	require.Eventually(t, func() bool {
		text, err := os.ReadFile(path)
		return err == nil && slices.Contains(strings.Split(string(text), "\n"), wanted)
	}, 10*time.Second, time.Millisecond)
}

func TestStopAsksAndWaits(t *testing.T) {
	started, log := script(t, "trap 'echo bye; exit 0' TERM\necho ready\nwhile :; do sleep 0.01; done\n")
	waitForText(t, log, "ready\n")
	assert.False(t, started.HasEnded())
	require.NoError(t, started.Stop())
	assert.True(t, started.HasEnded())
	waitForText(t, log, "ready\nbye\n")
}

func TestStopTellsOfABadEnd(t *testing.T) {
	started, log := script(t, "trap 'exit 3' TERM\necho ready\nwhile :; do sleep 0.01; done\n")
	waitForText(t, log, "ready\n")
	assert.ErrorContains(t, started.Stop(), "exit status 3")

	started, _ = script(t, "exit 0\n")
	require.Eventually(t, started.HasEnded, 10*time.Second, time.Millisecond)
	assert.ErrorContains(t, started.Stop(), "had ended before")
}
