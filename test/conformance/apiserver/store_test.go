package apiserver

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var routeKind = schema.GroupKind{Group: "gateway.networking.k8s.io", Kind: "HTTPRoute"}

// route returns an HTTPRoute whose spec says only what the test tells apart.
func route(name, hostname string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "gateway.networking.k8s.io/v1",
		"kind":       "HTTPRoute",
		"metadata":   map[string]any{"namespace": "infra", "name": name},
		"spec":       map[string]any{"hostnames": []any{hostname}, "rules": nil},
	}}
}

func TestCreateGivesMetadataAndDropsNulls(t *testing.T) {
	store := NewStore()
	object := route("a", "a.example.com")
	object.Object["status"] = map[string]any{"parents": []any{}}

	created, err := store.Create(object)
	require.NoError(t, err)
	assert.NotEmpty(t, created.GetUID())
	assert.Equal(t, int64(1), created.GetGeneration())
	assert.NotEmpty(t, created.GetCreationTimestamp().Time)
	assert.NotContains(t, created.Object, "status")
	assert.NotContains(t, created.Object["spec"], "rules")

	_, err = store.Create(object)
	assert.True(t, apierrors.IsAlreadyExists(err), err)
}

func TestUpdateCountsGenerationsOfContentOnly(t *testing.T) {
	store := NewStore()
	created, err := store.Create(route("a", "a.example.com"))
	require.NoError(t, err)
	key := KeyOf(created)
	status := map[string]any{"parents": []any{map[string]any{"controllerName": "x"}}}
	require.NoError(t, store.UpdateStatus(key, created.GetUID(), status))

	labelled := route("a", "a.example.com")
	labelled.SetLabels(map[string]string{"l": "v"})
	updated, err := store.Update(labelled)
	require.NoError(t, err)
	assert.Equal(t, int64(1), updated.GetGeneration())
	assert.Equal(t, status, updated.Object["status"], "an update leaves the status alone")

	updated, err = store.Update(route("a", "b.example.com"))
	require.NoError(t, err)
	assert.Equal(t, int64(2), updated.GetGeneration())
	assert.Equal(t, created.GetUID(), updated.GetUID())
	assert.Equal(t, created.GetCreationTimestamp(), updated.GetCreationTimestamp())

	_, err = store.Update(created)
	assert.True(t, apierrors.IsConflict(err), "a stale resourceVersion: %v", err)
}

func TestStatusIsForOneUID(t *testing.T) {
	store := NewStore()
	created, err := store.Create(route("a", "a.example.com"))
	require.NoError(t, err)
	err = store.UpdateStatus(KeyOf(created), "another", map[string]any{})
	assert.True(t, apierrors.IsConflict(err), err)
}

func TestListIsSortedAndDeleteForgets(t *testing.T) {
	store := NewStore()
	for _, name := range []string{"b", "a"} {
		_, err := store.Create(route(name, "x.example.com"))
		require.NoError(t, err)
	}
	listed := store.List(routeKind, "")
	require.Len(t, listed, 2)
	assert.Equal(t, "a", listed[0].GetName())
	assert.Empty(t, store.List(routeKind, "other"))

	_, err := store.Delete(KeyOf(listed[0]))
	require.NoError(t, err)
	_, err = store.Get(KeyOf(listed[0]))
	assert.True(t, apierrors.IsNotFound(err), err)
}

func TestNamespacesAreLabelled(t *testing.T) {
	store := NewStore()
	created, err := store.Create(&unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": "infra"},
	}})
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"kubernetes.io/metadata.name": "infra"}, created.GetLabels())
}

func TestSubscribersSeeEverythingInOrder(t *testing.T) {
	store := NewStore()
	_, err := store.Create(route("a", "1.example.com"))
	require.NoError(t, err)
	events := make(chan Event)
	cancel := store.Subscribe(func(event Event) { events <- event })
	defer cancel()

	// The listener is slow, the writer does not wait for it.
	for i := 2; i <= 50; i++ {
		_, err := store.Update(route("a", fmt.Sprintf("%d.example.com", i)))
		require.NoError(t, err)
	}
	_, err = store.Delete(Key{routeKind, "infra", "a"})
	require.NoError(t, err)

	assert.Equal(t, Added, (<-events).Type)
	for generation := int64(2); generation <= 50; generation++ {
		event := <-events
		assert.Equal(t, Modified, event.Type)
		assert.Equal(t, generation, event.Object.GetGeneration())
	}
	assert.Equal(t, Deleted, (<-events).Type)
}
