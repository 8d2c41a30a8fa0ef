package workloads

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"gwproxy.dev/conformance/apiserver"
)

var echoServer = sync.OnceValues(func() (string, error) { return BuildEchoServer(context.Background()) })

// world is a store with a manager at work.
type world struct {
	*testing.T
	*Manager
	end func() // Ends the manager and waits; may be called more than once.
}

func newWorld(t *testing.T) *world {
	t.Helper()
	server, err := echoServer()
	require.NoError(t, err)
	manager := New(apiserver.NewStore(), Options{
		EchoServer: server,
		Addresses:  netip.MustParsePrefix("127.22.0.0/16"),
		Directory:  filepath.Join(t.TempDir(), "pods"),
		Logf:       t.Logf,
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- manager.Run(ctx) }()
	end := sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	t.Cleanup(end)
	return &world{t, manager, end}
}

func (w *world) create(manifest string) {
	w.Helper()
	object := &unstructured.Unstructured{}
	require.NoError(w, yaml.Unmarshal([]byte(manifest), &object.Object))
	_, err := w.store.Create(object)
	require.NoError(w, err)
}

func (w *world) eventually(what string, holds func() bool) {
	w.Helper()
	require.Eventually(w, holds, patience, 10*time.Millisecond, what)
}

// pods returns the Pods of the namespace that are ready, once there are count Pods and all are ready.
func (w *world) readyPods(count int) (pods []*corev1.Pod) {
	w.Helper()
	w.eventually(fmt.Sprintf("%d ready Pods", count), func() bool {
		pods = list[corev1.Pod](w.Manager, podKind, "ns")
		for _, pod := range pods {
			if !isReadyPod(pod) {
				return false
			}
		}
		return len(pods) == count
	})
	return pods
}

func isReadyPod(pod *corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue && pod.Status.Phase == corev1.PodRunning
		}
	}
	return false
}

// readyEndpoints returns the addresses of the ready endpoints in the Service's slices.
func (w *world) readyEndpoints() map[string]bool {
	ready := map[string]bool{}
	for _, slice := range list[discoveryv1.EndpointSlice](w.Manager, sliceKind, "ns") {
		for _, endpoint := range slice.Endpoints {
			if *endpoint.Conditions.Ready {
				ready[endpoint.Addresses[0]] = true
			}
		}
	}
	return ready
}

func (w *world) get(url string) map[string]any {
	w.Helper()
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get(url)
	require.NoError(w, err)
	defer response.Body.Close()
	require.Equal(w, http.StatusOK, response.StatusCode)
	answer := map[string]any{}
	require.NoError(w, json.NewDecoder(response.Body).Decode(&answer))
	return answer
}

func echoManifest(replicas int) string {
	return fmt.Sprintf(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: echo, namespace: ns}
spec:
  replicas: %d
  selector: {matchLabels: {app: echo}}
  template:
    metadata: {labels: {app: echo}}
    spec:
      containers:
      - name: main
        image: registry.k8s.io/gateway-api/echo-basic:v1
        env:
        - {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
        - {name: NAMESPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
`, replicas)
}

const serviceManifest = `
apiVersion: v1
kind: Service
metadata: {name: echo, namespace: ns}
spec:
  clusterIP: None
  selector: {app: echo}
  ports: [{name: web, port: 80, targetPort: 3000}]
`
