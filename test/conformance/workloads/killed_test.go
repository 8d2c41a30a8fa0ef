package workloads

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// toKill is set in the environment of the harness that TestNoProcessSurvivesAKilledHarness kills.
const toKill = "GWPROXY_WORKLOADS_TO_KILL"

func TestNoProcessSurvivesAKilledHarness(t *testing.T) {
	harness := exec.Command(os.Args[0], "-test.run=^TestHarnessToKill$", "-test.v")
	harness.Env = append(os.Environ(), toKill+"=yes", "TMPDIR="+t.TempDir())
	output, err := harness.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, harness.Start())
	process := ""
	for lines := bufio.NewScanner(output); process == "" && lines.Scan(); {
		process, _ = strings.CutPrefix(lines.Text(), "to die with me: ")
		if process == lines.Text() {
			process = ""
		}
	}
	require.NotEmpty(t, process)
	require.True(t, isAlive(process))
	require.NoError(t, harness.Process.Kill())
	require.Error(t, harness.Wait())
	require.Eventually(t, func() bool { return !isAlive(process) }, patience, 10*time.Millisecond)
}

// TestHarnessToKill runs a Pod until it is killed.
func TestHarnessToKill(t *testing.T) {
	if os.Getenv(toKill) == "" {
		t.Skip("runs for TestNoProcessSurvivesAKilledHarness only")
	}
	w := newWorld(t)
	w.create(echoManifest(1))
	fmt.Println("to die with me: " + w.processOf(w.readyPods(1)[0]))
	select {}
}

// isAlive tells whether a process runs; one that nobody has waited for does not.
func isAlive(process string) bool {
	status, err := os.ReadFile("/proc/" + process + "/stat")
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(status), ") ")
	return !strings.HasPrefix(state, "Z")
}
