// Package bridge joins the store to the proxy under test, which knows files only: objects go out as
// manifests, statuses come in as the proxy wrote them. Nothing is added, repaired or left out on the
// way, except what a mutation run breaks on purpose (see Drop).
package bridge

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"gwproxy.dev/conformance/apiserver"
)

// withoutManifest are kinds of the cluster's own, which mean nothing to a proxy beside it.
var withoutManifest = map[schema.GroupKind]bool{
	{Kind: "Pod"}:                       true,
	{Kind: "ServiceAccount"}:            true,
	{Group: "apps", Kind: "Deployment"}: true,
	{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}: true,
}

// Manifests writes the objects of a store as manifests, DIRECTORY/KIND/NAMESPACE__NAME.yaml, each
// replaced as a whole.
type Manifests struct {
	directory string
	drops     []Drop
	written   map[string]string // Path -> text.
	failed    func(error)
	stop      func()

	mu     sync.Mutex // Held while a file is written, so that Close can wait.
	closed bool
}

// WriteManifests starts to write, until Close. Failures to write are told to failed.
func WriteManifests(store *apiserver.Store, directory string, drops []Drop, failed func(error)) (*Manifests, error) {
	m := &Manifests{directory: directory, drops: drops, written: map[string]string{}, failed: failed}
	// All directories are there from the beginning, as they are in a real configuration.
	for _, resource := range apiserver.Resources {
		if withoutManifest[resource.GroupKind()] {
			continue
		}
		if err := os.MkdirAll(filepath.Join(directory, resource.Kind), 0o755); err != nil {
			return nil, err
		}
	}
	m.stop = store.Subscribe(m.handle)
	return m, nil
}

// Close ends the writing; the files stay.
func (m *Manifests) Close() {
	m.stop()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
}

func (m *Manifests) handle(event apiserver.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed || withoutManifest[event.Object.GroupVersionKind().GroupKind()] {
		return
	}
	path := m.path(event.Object)
	object := manifestOf(event.Object, m.drops)
	var err error
	if event.Type == apiserver.Deleted || object == nil {
		err = m.remove(path)
	} else {
		err = m.write(path, object)
	}
	if err != nil {
		m.failed(err)
	}
}

func (m *Manifests) path(object *unstructured.Unstructured) string {
	name := object.GetName()
	if namespace := object.GetNamespace(); namespace != "" {
		name = namespace + "__" + name
	}
	if len(name) > longestName {
		name = fmt.Sprintf("%s__%x", name[:longestName-2*sha256.Size-2], sha256.Sum256([]byte(name)))
	}
	return filepath.Join(m.directory, object.GetKind(), name+".yaml")
}

// longestName is what fits into the name of a file, which has at most 255 bytes, with room around it. The
// name of an object alone may have 253.
const longestName = 240

// write replaces the file by a rename. A change of the status alone changes no manifest.
func (m *Manifests) write(path string, object *unstructured.Unstructured) error {
	text, err := yaml.Marshal(object.Object)
	if err != nil {
		return err
	}
	if m.written[path] == string(text) {
		return nil
	}
	temporary := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".tmp")
	if err := os.WriteFile(temporary, text, 0o600); err != nil {
		return err
	}
	m.written[path] = string(text)
	return os.Rename(temporary, path)
}

func (m *Manifests) remove(path string) error {
	delete(m.written, path)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// manifestOf returns what a user's file would hold: the object without its status and without the
// bookkeeping of the server's writes. nil: a mutation drops the object as a whole.
func manifestOf(object *unstructured.Unstructured, drops []Drop) *unstructured.Unstructured {
	manifest := object.DeepCopy()
	delete(manifest.Object, "status")
	manifest.SetResourceVersion("")
	manifest.SetManagedFields(nil)
	for _, drop := range drops {
		if !drop.apply(manifest) {
			return nil
		}
	}
	return manifest
}
