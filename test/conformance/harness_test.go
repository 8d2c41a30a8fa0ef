package conformance

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/client-go/rest"

	"gwproxy.dev/conformance/apiserver"
	"gwproxy.dev/conformance/bridge"
	"gwproxy.dev/conformance/proxy"
	"gwproxy.dev/conformance/workloads"
)

// harness is everything around the suite: a store, its server, what plays the cluster's nodes, and the
// proxy under test.
type harness struct {
	store  *apiserver.Store
	config *rest.Config // For the suite's clients.
	proxy  *proxy.Proxy
}

// start starts the harness for the time of the test. What the suite cleans up itself is gone before
// the harness's own cleanup begins, since that is registered first.
func start(t *testing.T, settings settings) *harness {
	t.Helper()
	h := &harness{store: apiserver.NewStore()}
	require.NoError(t, installDefinitions(h.store))
	manager := h.startWorkloads(t, settings)

	config, closeServer, err := apiserver.Serve(apiserver.NewHandler(h.store, manager))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, closeServer()) })
	h.config = config

	h.startProxy(t, settings)
	return h
}

func (h *harness) startWorkloads(t *testing.T, settings settings) *workloads.Manager {
	t.Helper()
	echo, err := workloads.BuildEchoServer(t.Context())
	require.NoError(t, err)
	manager := workloads.New(h.store, workloads.Options{
		EchoServer: echo,
		Addresses:  netip.MustParsePrefix(settings.podAddresses),
		Directory:  filepath.Join(settings.output, "pods"),
		Logf:       t.Logf,
	})
	// Not t.Context(), which ends before the cleanup.
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- manager.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		assert.NoError(t, <-done)
	})
	return manager
}

func (h *harness) startProxy(t *testing.T, settings settings) {
	t.Helper()
	checkout, err := proxy.Checkout()
	require.NoError(t, err)
	options := proxy.Options{
		Executable:  filepath.Join(checkout, "bin", "gwproxy"),
		Workers:     settings.workers,
		Config:      filepath.Join(settings.output, "config"),
		Status:      filepath.Join(settings.output, "status"),
		AddressPool: settings.gatewayAddresses,
		Log:         filepath.Join(settings.output, "gwproxy.log"),
	}
	require.NoError(t, os.RemoveAll(options.Config))
	require.NoError(t, os.RemoveAll(options.Status))
	failed := func(err error) { t.Errorf("bridge: %v", err) }
	manifests, err := bridge.WriteManifests(h.store, options.Config, settings.drops, failed)
	require.NoError(t, err)
	t.Cleanup(manifests.Close)
	statuses := bridge.ReadStatuses(h.store, options.Status, failed)
	t.Cleanup(statuses.Close)
	h.proxy, err = proxy.Start(options)
	require.NoError(t, err)
	t.Cleanup(func() {
		assert.NoError(t, h.proxy.Stop(), "the proxy's end")
		expectNothingUnexpected(t, options.Log)
	})
}

// expectNothingUnexpected fails the test for each line of the log that no test accounts for.
func expectNothingUnexpected(t *testing.T, path string) {
	t.Helper()
	log, err := os.Open(path)
	require.NoError(t, err)
	defer log.Close()
	lines, err := proxy.UnexpectedLines(log)
	require.NoError(t, err)
	for _, line := range lines {
		t.Errorf("unexpected in the proxy's log: %s", line)
	}
}

const (
	// settleTime is enough for drained connections, idle pools and garbage to go.
	settleTime = time.Minute
	// heapGrowth, in bytes, is what a thread may keep of a round that is not the first. Measured: less
	// than 100,000 in the second, most of it the engine's own lists, and next to nothing in those after.
	heapGrowth = 256 << 10
	// residentGrowth, in MiB of each process, bounds what is outside of the engine's heap. Measured: at
	// most 1 without workers, 16 with two: the engine gives its room for young objects back when it likes.
	residentGrowth = 32
)

// expectDescriptorsToReturn makes the test fail unless, when all objects are gone, the proxy has no more
// descriptors than it was told to have before.
func (h *harness) expectDescriptorsToReturn(t *testing.T, before proxy.Usage) {
	t.Helper()
	assert.EventuallyWithT(t, func(collect *assert.CollectT) {
		now, err := h.proxy.Usage()
		require.NoError(collect, err)
		assert.LessOrEqual(collect, now.Descriptors, before.Descriptors, "descriptors")
	}, settleTime, 100*time.Millisecond)
}

// expectMemoryToReturn makes the test fail unless, when it has ended and all objects are gone, each
// thread of the proxy keeps what it keeps now.
func (h *harness) expectMemoryToReturn(t *testing.T, idle proxy.Usage, processes int) {
	t.Helper()
	before, err := h.proxy.Heaps()
	require.NoError(t, err)
	// After a look at the heap, which takes memory of its own.
	residentBefore, err := h.proxy.Usage()
	require.NoError(t, err)
	t.Cleanup(func() {
		h.expectDescriptorsToReturn(t, idle)
		var after []proxy.Heap
		assert.EventuallyWithT(t, func(collect *assert.CollectT) {
			after, err = h.proxy.Heaps()
			require.NoError(collect, err)
			require.Len(collect, after, len(before), "threads")
			for i, heap := range after {
				grown := heap.GrownSince(before[i])
				assert.LessOrEqual(collect, heap.Size(), before[i].Size()+heapGrowth, "%s keeps: %s", heap.Name, grown)
			}
			now, err := h.proxy.Usage()
			require.NoError(collect, err)
			assert.LessOrEqual(collect, now.Resident, residentBefore.Resident+residentGrowth*processes, "resident MiB")
			t.Logf("the proxy held %v before, %v after", residentBefore, now)
		}, settleTime, 5*time.Second)
		for i, heap := range after {
			t.Logf("%s keeps %d bytes without code, %+d", heap.Name, heap.Size(), heap.Size()-before[i].Size())
		}
	})
}

// steadyUsage returns what the proxy holds when it has started whole: the number of its descriptors has
// been the same for a while.
func (h *harness) steadyUsage() (proxy.Usage, error) {
	const steady = 10
	usage, err := h.proxy.Usage()
	for same := 0; err == nil && same < steady; {
		time.Sleep(100 * time.Millisecond)
		before := usage.Descriptors
		if usage, err = h.proxy.Usage(); usage.Descriptors == before {
			same++
		} else {
			same = 0
		}
	}
	return usage, err
}
