// Package apiserver keeps Kubernetes objects in memory and serves the small part of the Kubernetes
// REST API that the Gateway API conformance suite speaks. It validates and defaults nothing: what an
// object means is for the proxy under test to say.
package apiserver

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// Key names one object, whatever version its group is served in.
type Key struct {
	schema.GroupKind
	Namespace string // Empty for objects of the cluster.
	Name      string
}

// KeyOf returns the key of an object.
func KeyOf(object *unstructured.Unstructured) Key {
	return Key{object.GroupVersionKind().GroupKind(), object.GetNamespace(), object.GetName()}
}

func (key Key) compare(other Key) int {
	return slices.Compare(
		[]string{key.Group, key.Kind, key.Namespace, key.Name},
		[]string{other.Group, other.Kind, other.Namespace, other.Name},
	)
}

// Store holds objects. Everything that goes in or comes out is a copy, so a caller may change what
// it holds. The zero value is not usable: see NewStore.
type Store struct {
	mu          sync.Mutex
	objects     map[Key]*unstructured.Unstructured
	revision    int64
	subscribers map[*subscriber]struct{}
	now         func() time.Time
}

// NewStore returns an empty store.
func NewStore() *Store {
	return &Store{
		objects:     map[Key]*unstructured.Unstructured{},
		subscribers: map[*subscriber]struct{}{},
		now:         time.Now,
	}
}

// Get returns the object, or an error for which apierrors.IsNotFound holds.
func (s *Store) Get(key Key) (*unstructured.Unstructured, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	object, err := s.find(key)
	if err != nil {
		return nil, err
	}
	return object.DeepCopy(), nil
}

// List returns the objects of a kind, sorted by namespace and name; an empty namespace means all.
func (s *Store) List(kind schema.GroupKind, namespace string) []*unstructured.Unstructured {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*unstructured.Unstructured
	for _, key := range sortedKeys(s.objects) {
		if key.GroupKind == kind && (namespace == "" || key.Namespace == namespace) {
			found = append(found, s.objects[key].DeepCopy())
		}
	}
	return found
}

// Create adds an object with a new uid, generation 1 and the time of now. A status that the object
// brings is dropped, as in Kubernetes: it comes by UpdateStatus alone.
func (s *Store) Create(object *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := KeyOf(object)
	if _, exists := s.objects[key]; exists {
		return nil, apierrors.NewAlreadyExists(resourceOf(key), key.Name)
	}
	created := withoutNulls(object)
	delete(created.Object, "status")
	created.SetUID(types.UID(uuid.NewString()))
	created.SetCreationTimestamp(metav1.NewTime(s.now().Truncate(time.Second)))
	created.SetGeneration(1)
	labelNamespace(created)
	return s.put(Added, created), nil
}

// Update replaces everything but the status and the metadata that the server owns. A resourceVersion
// in the object must be the current one; the generation counts changes outside metadata and status.
func (s *Store) Update(object *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := KeyOf(object)
	current, err := s.find(key)
	if err != nil {
		return nil, err
	}
	if version := object.GetResourceVersion(); version != "" && version != current.GetResourceVersion() {
		return nil, apierrors.NewConflict(resourceOf(key), key.Name, errChanged)
	}
	updated := withoutNulls(object)
	keepStatus(updated, current)
	updated.SetUID(current.GetUID())
	updated.SetCreationTimestamp(current.GetCreationTimestamp())
	updated.SetGeneration(current.GetGeneration())
	labelNamespace(updated)
	if !sameContent(current, updated) {
		updated.SetGeneration(current.GetGeneration() + 1)
	}
	return s.put(Modified, updated), nil
}

// UpdateStatus sets the status of the object that has this uid, and nothing else. An empty uid means
// any. The status is kept as it is given; nil takes it away.
func (s *Store) UpdateStatus(key Key, uid types.UID, status map[string]any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	current, err := s.find(key)
	if err != nil {
		return err
	}
	if uid != "" && uid != current.GetUID() {
		return apierrors.NewConflict(resourceOf(key), key.Name, errOtherUID)
	}
	updated := current.DeepCopy()
	if status == nil {
		delete(updated.Object, "status")
	} else {
		updated.Object["status"] = runtime.DeepCopyJSON(status)
	}
	s.put(Modified, updated)
	return nil
}

// Delete removes the object.
func (s *Store) Delete(key Key) (*unstructured.Unstructured, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	object, err := s.find(key)
	if err != nil {
		return nil, err
	}
	delete(s.objects, key)
	s.publish(Event{Type: Deleted, Object: object})
	return object.DeepCopy(), nil
}

// put stores the object under a new resourceVersion, which it adds, and returns a copy.
func (s *Store) put(event EventType, object *unstructured.Unstructured) *unstructured.Unstructured {
	s.revision++
	object.SetResourceVersion(strconv.FormatInt(s.revision, 10))
	s.objects[KeyOf(object)] = object
	s.publish(Event{Type: event, Object: object})
	return object.DeepCopy()
}

func (s *Store) find(key Key) (*unstructured.Unstructured, error) {
	if object, ok := s.objects[key]; ok {
		return object, nil
	}
	return nil, apierrors.NewNotFound(resourceOf(key), key.Name)
}

// resourceOf names the kind in errors; clients look only at the reason.
func resourceOf(key Key) schema.GroupResource {
	return schema.GroupResource{Group: key.Group, Resource: strings.ToLower(key.Kind)}
}
