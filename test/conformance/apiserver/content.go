package apiserver

import (
	"errors"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

var (
	errChanged  = errors.New("the object has been modified")
	errOtherUID = errors.New("the object has another uid")
)

// labelNamespace sets the one label that every Namespace of a cluster carries.
func labelNamespace(object *unstructured.Unstructured) {
	if object.GetKind() != "Namespace" {
		return
	}
	labels := object.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	labels["kubernetes.io/metadata.name"] = object.GetName()
	object.SetLabels(labels)
}

// sameContent tells whether two states of an object differ in nothing but metadata and status.
func sameContent(a, b *unstructured.Unstructured) bool {
	return equality.Semantic.DeepEqual(contentOf(a), contentOf(b))
}

func contentOf(object *unstructured.Unstructured) map[string]any {
	content := maps.Clone(object.Object)
	for _, field := range []string{"apiVersion", "kind", "metadata", "status"} {
		delete(content, field)
	}
	return content
}

// keepStatus gives an object the status of its former state, and none of its own.
func keepStatus(object, former *unstructured.Unstructured) {
	delete(object.Object, "status")
	if status, ok := former.Object["status"]; ok {
		object.Object["status"] = status
	}
}

// withoutNulls returns a copy without the fields whose value is null: to Kubernetes they are absent.
func withoutNulls(object *unstructured.Unstructured) *unstructured.Unstructured {
	copied := object.DeepCopy()
	dropNulls(copied.Object)
	return copied
}

func dropNulls(value any) {
	switch value := value.(type) {
	case map[string]any:
		for name, member := range value {
			if member == nil {
				delete(value, name)
			} else {
				dropNulls(member)
			}
		}
	case []any:
		for _, member := range value {
			dropNulls(member)
		}
	}
}

func sortedKeys(objects map[Key]*unstructured.Unstructured) []Key {
	return slices.SortedFunc(maps.Keys(objects), Key.compare)
}
