package conformance

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"gwproxy.dev/conformance/bridge"
)

// settings come from the environment, since flags belong to the suite.
type settings struct {
	run              string        // GWPROXY_CONFORMANCE_RUN: one test instead of all.
	workers          int           // GWPROXY_CONFORMANCE_WORKERS: as --workers of the proxy.
	drops            []bridge.Drop // GWPROXY_CONFORMANCE_DROP: what the proxy never gets to see.
	output           string        // GWPROXY_CONFORMANCE_OUTPUT: a directory for logs and the report.
	gatewayAddresses string        // The proxy's --address-pool.
	podAddresses     string
	staticAddress    string // What a Gateway may ask for by itself.
}

func readSettings(t *testing.T) settings {
	t.Helper()
	workers, err := strconv.Atoi(environment("GWPROXY_CONFORMANCE_WORKERS", "0"))
	require.NoError(t, err)
	drops, err := bridge.ParseDrops(os.Getenv("GWPROXY_CONFORMANCE_DROP"))
	require.NoError(t, err)
	output, err := filepath.Abs(environment("GWPROXY_CONFORMANCE_OUTPUT", "output"))
	require.NoError(t, err)
	reserveOutput(t, output)
	slot := reserveSlot(t)
	require.NoError(t, os.MkdirAll(output, 0o755))
	return settings{
		run:              os.Getenv("GWPROXY_CONFORMANCE_RUN"),
		workers:          workers,
		drops:            drops,
		output:           output,
		gatewayAddresses: fmt.Sprintf("127.%d.0.0/16", 10+30*slot),
		podAddresses:     fmt.Sprintf("127.%d.0.0/16", 20+30*slot),
		staticAddress:    fmt.Sprintf("127.%d.0.1", 30+30*slot),
	}
}

func environment(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}
