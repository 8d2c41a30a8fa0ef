package conformance

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// slots is how many runs a machine's loopback addresses are divided between.
const slots = 8

// reserve takes a name for the time of the test, against every other process of the machine: an abstract
// socket ends with the process that holds it, however that ends. false: somebody else has it.
func reserve(t *testing.T, name string) bool {
	t.Helper()
	listener, err := net.Listen("unix", "@gwproxy-conformance-"+name)
	if errors.Is(err, syscall.EADDRINUSE) {
		return false
	}
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, listener.Close()) })
	return true
}

// reserveSlot takes addresses that no other run has.
func reserveSlot(t *testing.T) int {
	t.Helper()
	for slot := range slots {
		if reserve(t, fmt.Sprintf("slot-%d", slot)) {
			return slot
		}
	}
	t.Fatalf("%d other runs have all addresses", slots)
	return 0
}

// reserveOutput keeps a second run from writing to the same directory.
func reserveOutput(t *testing.T, directory string) {
	t.Helper()
	name := fmt.Sprintf("output-%x", sha256.Sum256([]byte(directory)))
	require.True(t, reserve(t, name), "another run writes to %s", directory)
}

func TestReserve(t *testing.T) {
	t.Run("for the time of a test", func(t *testing.T) {
		assert.True(t, reserve(t, "test"))
		assert.False(t, reserve(t, "test"))
		assert.True(t, reserve(t, "test-2"))
	})
	assert.True(t, reserve(t, "test"))
}
