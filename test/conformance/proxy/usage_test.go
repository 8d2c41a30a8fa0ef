package proxy

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestUsageCountsDescriptorsOfChildrenToo(t *testing.T) {
	usage := func() Usage {
		found, err := usageOf(os.Getpid())
		require.NoError(t, err)
		return found
	}
	before := usage()
	file, err := os.Open(os.DevNull)
	require.NoError(t, err)
	defer file.Close()
	assert.Equal(t, before.Descriptors+1, usage().Descriptors)
	assert.Positive(t, before.Resident)

	child := exec.Command("sleep", "60")
	require.NoError(t, child.Start())
	withChild := usage()
	require.NoError(t, child.Process.Kill())
	assert.Error(t, child.Wait(), "it was killed")
	assert.Greater(t, withChild.Descriptors, before.Descriptors+2)
}
