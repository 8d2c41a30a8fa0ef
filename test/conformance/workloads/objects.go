package workloads

import (
	appsv1 "k8s.io/api/apps/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"gwproxy.dev/conformance/apiserver"
)

var (
	deploymentKind = schema.GroupKind{Group: appsv1.GroupName, Kind: "Deployment"}
	podKind        = schema.GroupKind{Kind: "Pod"}
	serviceKind    = schema.GroupKind{Kind: "Service"}
	secretKind     = schema.GroupKind{Kind: "Secret"}
	configMapKind  = schema.GroupKind{Kind: "ConfigMap"}
	sliceKind      = schema.GroupKind{Group: discoveryv1.GroupName, Kind: "EndpointSlice"}

	podResource = schema.GroupResource{Resource: "pods"}

	// readKinds are the kinds whose changes may call for work.
	readKinds = map[schema.GroupKind]bool{
		deploymentKind: true,
		podKind:        true,
		serviceKind:    true,
		secretKind:     true,
		configMapKind:  true,
		sliceKind:      true,
	}
)

// decode gives an object of the store its Go type.
func decode[T any](object *unstructured.Unstructured) (*T, error) {
	typed := new(T)
	err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, typed)
	return typed, err
}

// encode turns a typed object, which must carry its TypeMeta, into one for the store.
func encode(typed any) *unstructured.Unstructured {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(typed)
	if err != nil {
		panic(err) // Only for a value that is no API object.
	}
	return &unstructured.Unstructured{Object: content}
}

// list returns all objects of a kind; those that do not decode are reported and left out.
func list[T any](m *Manager, kind schema.GroupKind, namespace string) []*T {
	var all []*T
	for _, object := range m.store.List(kind, namespace) {
		typed, err := decode[T](object)
		if err != nil {
			m.report(kind.Kind+" "+object.GetNamespace()+"/"+object.GetName(), err)
			continue
		}
		all = append(all, typed)
	}
	return all
}

// keyOf returns the key of a typed object of a kind.
func keyOf(kind schema.GroupKind, object metav1.Object) apiserver.Key {
	return apiserver.Key{GroupKind: kind, Namespace: object.GetNamespace(), Name: object.GetName()}
}

// ownedBy marks an object as kept by the controller of its owner.
func ownedBy(owner metav1.Object, kind schema.GroupVersionKind) []metav1.OwnerReference {
	return []metav1.OwnerReference{*metav1.NewControllerRef(owner, kind)}
}
