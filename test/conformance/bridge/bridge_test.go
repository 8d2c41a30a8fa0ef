package bridge

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"gwproxy.dev/conformance/apiserver"
)

const patience = 10 * time.Second

func parse(t *testing.T, text string) *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	json, err := yaml.YAMLToJSON([]byte(text))
	require.NoError(t, err)
	require.NoError(t, object.UnmarshalJSON(json))
	return object
}

const routeText = `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {namespace: infra, name: a}
spec:
  rules:
  - name: first
    matches: [{method: GET, path: {value: /a}}]
  - matches: [{path: {value: /b}}, {method: PUT}]
`

func failNot(t *testing.T) func(error) {
	return func(err error) { t.Errorf("the bridge failed: %v", err) }
}

func TestManifestsFollowTheStore(t *testing.T) {
	store, directory := apiserver.NewStore(), t.TempDir()
	manifests, err := WriteManifests(store, directory, nil, failNot(t))
	require.NoError(t, err)
	defer manifests.Close()
	created, err := store.Create(parse(t, routeText))
	require.NoError(t, err)
	path := filepath.Join(directory, "HTTPRoute", "infra__a.yaml")
	require.Eventually(t, func() bool { return exists(path) }, patience, time.Millisecond)

	written, err := readObject(path)
	require.NoError(t, err)
	assert.Equal(t, created.GetUID(), written.GetUID())
	assert.Equal(t, int64(1), written.GetGeneration())
	assert.Equal(t, created.GetCreationTimestamp(), written.GetCreationTimestamp())
	assert.Equal(t, created.Object["spec"], written.Object["spec"])

	// A status changes no manifest: the next event's file is a new one, this one's is not.
	before, err := os.Stat(path)
	require.NoError(t, err)
	require.NoError(t, store.UpdateStatus(apiserver.KeyOf(created), "", map[string]any{"parents": []any{}}))
	other := parse(t, routeText)
	other.SetName("b")
	_, err = store.Create(other)
	require.NoError(t, err)
	next := filepath.Join(directory, "HTTPRoute", "infra__b.yaml")
	require.Eventually(t, func() bool { return exists(next) }, patience, time.Millisecond)
	after, err := os.Stat(path)
	require.NoError(t, err)
	assert.True(t, os.SameFile(before, after))

	_, err = store.Delete(apiserver.KeyOf(created))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return !exists(path) }, patience, time.Millisecond)
}

func TestLongNamesAreToldApart(t *testing.T) {
	store, directory := apiserver.NewStore(), t.TempDir()
	manifests, err := WriteManifests(store, directory, nil, failNot(t))
	require.NoError(t, err)
	defer manifests.Close()
	long := strings.Repeat("a", 252)
	for _, last := range []string{"b", "c"} {
		object := parse(t, routeText)
		object.SetName(long + last)
		_, err := store.Create(object)
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool {
		entries, err := os.ReadDir(filepath.Join(directory, "HTTPRoute"))
		return err == nil && len(entries) == 2
	}, patience, time.Millisecond)
}

func TestPodsAreNoManifests(t *testing.T) {
	store, directory := apiserver.NewStore(), t.TempDir()
	manifests, err := WriteManifests(store, directory, nil, failNot(t))
	require.NoError(t, err)
	defer manifests.Close()
	for _, text := range []string{
		"{apiVersion: v1, kind: Pod, metadata: {namespace: infra, name: p}}",
		"{apiVersion: v1, kind: Namespace, metadata: {name: infra}}",
	} {
		_, err := store.Create(parse(t, text))
		require.NoError(t, err)
	}
	namespace := filepath.Join(directory, "Namespace", "infra.yaml")
	require.Eventually(t, func() bool { return exists(namespace) }, patience, time.Millisecond)
	assert.False(t, exists(filepath.Join(directory, "Pod")))
}

func TestStatusesAreCopiedVerbatim(t *testing.T) {
	store, directory := apiserver.NewStore(), t.TempDir()
	created, err := store.Create(parse(t, routeText))
	require.NoError(t, err)
	key := apiserver.KeyOf(created)
	statuses := ReadStatuses(store, directory, failNot(t))
	defer statuses.Close()
	status := func() any {
		current, err := store.Get(key)
		require.NoError(t, err)
		return current.Object["status"]
	}
	publish := func(status map[string]any) string {
		object := created.DeepCopy()
		object.Object["status"] = status
		text, err := yaml.Marshal(object.Object)
		require.NoError(t, err)
		path := filepath.Join(directory, "HTTPRoute_infra_a.yaml")
		require.NoError(t, os.WriteFile(path+".tmp", text, 0o600))
		require.NoError(t, os.Rename(path+".tmp", path))
		return path
	}
	for _, value := range []string{"True", "2026-01-02T03:04:05Z", "yes"} {
		wanted := map[string]any{"parents": []any{map[string]any{"status": value, "observedGeneration": int64(1)}}}
		publish(wanted)
		require.Eventually(t, func() bool { return assert.ObjectsAreEqual(wanted, status()) }, patience, time.Millisecond)
	}

	require.NoError(t, os.Remove(publish(map[string]any{"parents": []any{}})))
	require.Eventually(t, func() bool { return status() == nil }, patience, time.Millisecond)
}

func TestStatusOfAnotherUIDIsNotTaken(t *testing.T) {
	store, directory := apiserver.NewStore(), t.TempDir()
	stale := parse(t, routeText)
	stale.SetUID("gone")
	stale.Object["status"] = map[string]any{"parents": []any{}}
	text, err := yaml.Marshal(stale.Object)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(directory, "a.yaml"), text, 0o600))
	created, err := store.Create(parse(t, routeText))
	require.NoError(t, err)

	statuses := &Statuses{store: store, directory: directory, known: map[string]statusFile{}, failed: failNot(t)}
	statuses.scan()
	current, err := store.Get(apiserver.KeyOf(created))
	require.NoError(t, err)
	assert.NotContains(t, current.Object, "status")
}

func TestDrops(t *testing.T) {
	cases := map[string]string{
		"HTTPRoute:spec.rules[].matches[].method":  `[{name: first, matches: [{path: {value: /a}}]}, {matches: [{path: {value: /b}}, {}]}]`,
		"HTTPRoute:spec.rules[name]":               `[{matches: [{path: {value: /b}}, {method: PUT}]}]`,
		"HTTPRoute:spec.rules[name=a.b/c]":         `[{name: first, matches: [{method: GET, path: {value: /a}}]}, {matches: [{path: {value: /b}}, {method: PUT}]}]`,
		"HTTPRoute/b:spec.rules":                   `[{name: first, matches: [{method: GET, path: {value: /a}}]}, {matches: [{path: {value: /b}}, {method: PUT}]}]`,
		"HTTPRoute:spec.rules[name=first].matches": `[{name: first}, {matches: [{path: {value: /b}}, {method: PUT}]}]`,
		"Gateway:spec.rules":                       `[{name: first, matches: [{method: GET, path: {value: /a}}]}, {matches: [{path: {value: /b}}, {method: PUT}]}]`,
	}
	for text, rules := range cases {
		drops, err := ParseDrops(text)
		require.NoError(t, err)
		var wanted any
		require.NoError(t, yaml.Unmarshal([]byte(rules), &wanted))
		object := manifestOf(parse(t, routeText), drops)
		found, _, err := unstructured.NestedSlice(object.Object, "spec", "rules")
		require.NoError(t, err)
		assert.Equal(t, wanted, any(found), text)
	}

	drops, err := ParseDrops("Gateway,HTTPRoute")
	require.NoError(t, err)
	assert.Nil(t, manifestOf(parse(t, routeText), drops))
	for _, wrong := range []string{"HTTPRoute:spec..rules", "HTTPRoute:", "HTTPRoute:spec.rules[", "HTTPRoute:spec.rules[].a=b"} {
		_, err = ParseDrops(wrong)
		assert.Error(t, err, wrong)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
