package apiserver

import (
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// oneLog answers for one container and keeps what it was asked.
type oneLog struct{ since time.Time }

func (l *oneLog) Logs(namespace, pod, container string, since time.Time) ([]byte, error) {
	if namespace != "infra" || pod != "a-1-2" || container != "a" {
		return nil, apierrors.NewNotFound(core.WithResource("pods").GroupResource(), pod)
	}
	l.since = since
	return []byte("line\n"), nil
}

// serve returns a store and a configuration of clients, for the time of the test.
func serve(t *testing.T, logs LogSource) (*Store, *rest.Config) {
	store := NewStore()
	config, stop, err := Serve(NewHandler(store, logs))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, stop()) })
	return store, config
}

// newClient returns a client made as the suite makes its own.
func newClient(t *testing.T, config *rest.Config) client.Client {
	scheme := runtime.NewScheme()
	require.NoError(t, gatewayv1.Install(scheme))
	require.NoError(t, corev1.AddToScheme(scheme))
	made, err := client.New(config, client.Options{Scheme: scheme, Mapper: Mapper()})
	require.NoError(t, err)
	return made
}

func TestClientReadsAndWrites(t *testing.T) {
	store, config := serve(t, &oneLog{})
	c := newClient(t, config)
	meta := metav1.ObjectMeta{Namespace: "infra", Name: "a", Labels: map[string]string{"l": "v"}}
	typed := &gatewayv1.HTTPRoute{ObjectMeta: meta}
	typed.Spec.Hostnames = []gatewayv1.Hostname{"a.example.com"}
	require.NoError(t, c.Create(t.Context(), typed))
	assert.Equal(t, int64(1), typed.Generation)
	assert.True(t, apierrors.IsAlreadyExists(c.Create(t.Context(), &gatewayv1.HTTPRoute{ObjectMeta: meta})))

	key := client.ObjectKey{Namespace: "infra", Name: "a"}
	status := map[string]any{"parents": []any{map[string]any{"controllerName": "gwproxy.dev/x"}}}
	require.NoError(t, store.UpdateStatus(Key{routeKind, "infra", "a"}, typed.UID, status))

	read := &gatewayv1.HTTPRoute{}
	require.NoError(t, c.Get(t.Context(), key, read))
	assert.Equal(t, gatewayv1.GatewayController("gwproxy.dev/x"), read.Status.Parents[0].ControllerName)

	patched := read.DeepCopy()
	patched.Spec.Hostnames = append(patched.Spec.Hostnames, "b.example.com")
	patched.Status.Parents = nil
	require.NoError(t, c.Patch(t.Context(), patched, client.MergeFrom(read)))
	assert.Equal(t, int64(2), patched.Generation)
	assert.Len(t, patched.Status.Parents, 1, "a patch leaves the status alone")

	assert.True(t, apierrors.IsConflict(c.Update(t.Context(), typed)), "a stale resourceVersion")
	require.NoError(t, c.Delete(t.Context(), read))
	assert.True(t, apierrors.IsNotFound(c.Get(t.Context(), key, read)))
}

func TestListsByNamespaceAndLabels(t *testing.T) {
	store, config := serve(t, &oneLog{})
	for _, name := range []string{"a", "b"} {
		object := route(name, "x.example.com")
		object.SetLabels(map[string]string{"app": name})
		_, err := store.Create(object)
		require.NoError(t, err)
	}
	c := newClient(t, config)
	names := func(options ...client.ListOption) (found []string) {
		list := &gatewayv1.HTTPRouteList{}
		require.NoError(t, c.List(t.Context(), list, options...))
		for _, item := range list.Items {
			found = append(found, item.Name)
		}
		return found
	}
	assert.Equal(t, []string{"a", "b"}, names())
	assert.Equal(t, []string{"b"}, names(client.MatchingLabels{"app": "b"}))
	assert.Empty(t, names(client.InNamespace("other")))
}

func TestAppliesUnstructuredObjects(t *testing.T) {
	_, config := serve(t, &oneLog{})
	c := newClient(t, config)
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "gateway.networking.k8s.io/v1",
		"kind":       "Gateway",
		"metadata":   map[string]any{"namespace": "infra", "name": "g"},
		"spec":       map[string]any{"addresses": nil, "listeners": []any{map[string]any{"port": int64(80)}}},
	}}
	require.NoError(t, c.Create(t.Context(), object))
	gateway := &gatewayv1.Gateway{}
	require.NoError(t, c.Get(t.Context(), client.ObjectKeyFromObject(object), gateway))
	assert.Equal(t, gatewayv1.PortNumber(80), gateway.Spec.Listeners[0].Port)
	assert.Nil(t, gateway.Spec.Addresses)
	assert.Empty(t, gateway.Status.Conditions, "nobody has looked at it")
}

func TestStreamsLogs(t *testing.T) {
	logs := &oneLog{}
	_, config := serve(t, logs)
	clientset, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	since := metav1.NewTime(time.Unix(1_700_000_000, 0))
	options := &corev1.PodLogOptions{Container: "a", SinceTime: &since}

	stream, err := clientset.CoreV1().Pods("infra").GetLogs("a-1-2", options).Stream(t.Context())
	require.NoError(t, err)
	text, err := io.ReadAll(stream)
	require.NoError(t, err)
	assert.Equal(t, "line\n", string(text))
	assert.True(t, since.Time.Equal(logs.since))

	_, err = clientset.CoreV1().Pods("infra").GetLogs("b", options).Stream(t.Context())
	assert.True(t, apierrors.IsNotFound(err), err)
}
