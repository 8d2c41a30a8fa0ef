package apiserver

import (
	"net/http"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// target is what the path of a request names.
type target struct {
	Resource
	namespace   string // Empty: all, or an object of the cluster.
	name        string // Empty: the collection.
	subresource string
}

func (t target) key() Key {
	return Key{t.GroupKind(), t.namespace, t.name}
}

// parsePath reads /api/v1/... and /apis/GROUP/VERSION/..., then [namespaces/NS/]PLURAL[/NAME[/SUB]].
func parsePath(path string) (target, error) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	version, rest, ok := cutVersion(parts)
	if !ok {
		return target{}, notServed(path)
	}
	var found target
	// The Namespace objects themselves are at namespaces/NAME.
	if len(rest) > 2 && rest[0] == "namespaces" {
		found.namespace, rest = rest[1], rest[2:]
	}
	if len(rest) == 0 || len(rest) > 3 {
		return target{}, notServed(path)
	}
	found.Resource, ok = findResource(version, rest[0])
	if !ok {
		return target{}, notServed(path)
	}
	if len(rest) > 1 {
		found.name = rest[1]
	}
	if len(rest) > 2 {
		found.subresource = rest[2]
	}
	return found, nil
}

func cutVersion(parts []string) (version schema.GroupVersion, rest []string, ok bool) {
	switch {
	case len(parts) >= 2 && parts[0] == "api":
		return schema.GroupVersion{Version: parts[1]}, parts[2:], true
	case len(parts) >= 3 && parts[0] == "apis":
		return schema.GroupVersion{Group: parts[1], Version: parts[2]}, parts[3:], true
	default:
		return schema.GroupVersion{}, nil, false
	}
}

// notServed is an error that no client takes for a missing object.
func notServed(what string) error {
	return apierrors.NewGenericServerResponse(
		http.StatusNotImplemented, "", schema.GroupResource{}, what, "not served here", 0, false)
}
