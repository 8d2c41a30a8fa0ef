// Package workloads plays the part of a cluster's nodes and controllers for the conformance suite: it
// runs the Pods of Deployments as local processes, each behind an address of its own, and keeps the
// EndpointSlices of Services with a selector. It touches no object of the Gateway API.
package workloads

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"gwproxy.dev/conformance/apiserver"
)

// Options of a Manager.
type Options struct {
	// EchoServer is the path of the suite's echo server: see BuildEchoServer.
	EchoServer string
	// Addresses is the pool from which every Pod gets an address of its own. All of them must be
	// local addresses, as those of 127.0.0.0/8 are on Linux.
	Addresses netip.Prefix
	// Directory is where the files of the Pods' volumes are, removed as a whole before and after a run.
	Directory string
	// Logf tells what went wrong with a workload.
	Logf func(format string, args ...any)
}

// Manager runs the workloads that a store describes. It is level-triggered: any change of a kind that
// it reads makes it compare everything wanted with everything that is, and remove the difference.
type Manager struct {
	store     *apiserver.Store
	options   Options
	addresses *addressPool
	ports     *portPool
	changed   chan struct{} // Holds one token while there is something to compare.
	stopping  sync.WaitGroup

	mu   sync.Mutex // Guards pods for Logs; only Run writes.
	pods map[apiserver.Key]*pod
}

// restartDelay is how long a Pod whose program has ended by itself stays down.
const restartDelay = time.Second

// New returns a manager of the workloads of a store.
func New(store *apiserver.Store, options Options) *Manager {
	return &Manager{
		store:     store,
		options:   options,
		addresses: newAddressPool(options.Addresses),
		ports:     newPortPool(),
		changed:   make(chan struct{}, 1),
		pods:      map[apiserver.Key]*pod{},
	}
}

// Run keeps the workloads until the context ends, and returns when no process, listener or file of
// theirs is left. The objects that it wrote stay in the store.
//
// Processes die with the thread that started them (PR_SET_PDEATHSIG), so Run holds on to its own: even
// a harness that is killed leaves nothing behind.
func (m *Manager) Run(ctx context.Context) error {
	runtime.LockOSThread() // Never unlocked: the thread ends with this goroutine.
	// A harness that was killed may have left files.
	if err := os.RemoveAll(m.options.Directory); err != nil {
		return err
	}
	defer os.RemoveAll(m.options.Directory)
	defer m.stopAll()
	cancel := m.store.Subscribe(func(event apiserver.Event) {
		if readKinds[event.Object.GroupVersionKind().GroupKind()] {
			m.wake()
		}
	})
	defer cancel()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-m.changed:
			m.reconcile()
		}
	}
}

// Logs implements apiserver.LogSource.
func (m *Manager) Logs(namespace, name, container string, since time.Time) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := m.pods[apiserver.Key{GroupKind: podKind, Namespace: namespace, Name: name}]
	if found == nil || found.container().Name != container {
		return nil, apierrors.NewNotFound(podResource, fmt.Sprintf("%s/%s", name, container))
	}
	return found.log.since(since), nil
}

// wake makes Run compare again; it never waits.
func (m *Manager) wake() {
	select {
	case m.changed <- struct{}{}:
	default:
	}
}

// reconcile works in the order that keeps endpoints honest: a Pod that goes leaves the EndpointSlices
// before its process ends, and a new one enters them when it answers.
func (m *Manager) reconcile() {
	leaving := m.reconcilePods()
	for _, running := range m.pods {
		m.advance(running)
	}
	m.reconcileEndpoints()
	for _, gone := range leaving {
		m.stop(gone)
	}
}

// stop ends a Pod's task and frees its files, without waiting.
func (m *Manager) stop(gone *pod) {
	m.stopping.Go(gone.stop)
}

func (m *Manager) stopAll() {
	for _, running := range m.pods {
		m.stop(running)
	}
	m.stopping.Wait()
}

// report tells of a failure unless it only says that the object has changed meanwhile: then an event is
// on its way which brings the manager back.
func (m *Manager) report(what string, err error) {
	if err == nil || apierrors.IsNotFound(err) || apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) {
		return
	}
	m.options.Logf("workloads: %s: %v", what, err)
}
