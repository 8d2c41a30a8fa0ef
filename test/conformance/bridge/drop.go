package bridge

import (
	"fmt"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Drop is a mutation: a field that the proxy under test never gets to see. Its text names a kind and a
// path, of which the last step is what is taken away:
//
//	HTTPRoute:spec.rules[].matches[].method   the field method, wherever it stands
//	HTTPRoute:spec.rules[name]                the elements of rules that have a name
//	Gateway:spec.listeners[port=8080]         the elements of listeners with this port
//	ReferenceGrant                            the objects as a whole
//	Gateway/a:spec.tls                        only of objects with the name a
type Drop struct {
	kind string
	name string // Empty: all of the kind.
	path []step
}

// step is a field and, where its value is a list, which elements of it are meant.
type step struct {
	field  string
	isList bool
	// condition of an element: it has this member, and if hasValue with this value. Empty: any element.
	member   string
	hasValue bool
	value    string
}

const stepSyntax = `([^\[\]=.]+)(\[(?:([^\[\]=.]+)(?:(=)([^\[\]]+))?)?\])?`

var (
	oneStep   = regexp.MustCompile(stepSyntax)
	wholePath = regexp.MustCompile(`^` + stepSyntax + `(?:\.` + stepSyntax + `)*$`)
)

// ParseDrops reads drops that are separated by commas; an empty text has none.
func ParseDrops(text string) ([]Drop, error) {
	var drops []Drop
	for part := range strings.SplitSeq(text, ",") {
		if part == "" {
			continue
		}
		drop, err := parseDrop(part)
		if err != nil {
			return nil, err
		}
		drops = append(drops, drop)
	}
	return drops, nil
}

func parseDrop(text string) (Drop, error) {
	which, path, hasPath := strings.Cut(text, ":")
	kind, name, _ := strings.Cut(which, "/")
	drop := Drop{kind: kind, name: name}
	if !hasPath {
		return drop, nil
	}
	if !wholePath.MatchString(path) {
		return Drop{}, fmt.Errorf("no path: %q", text)
	}
	for _, found := range oneStep.FindAllStringSubmatch(path, -1) {
		drop.path = append(drop.path, step{found[1], found[2] != "", found[3], found[4] != "", found[5]})
	}
	return drop, nil
}

// apply takes the field away; false means that the whole object is dropped.
func (d Drop) apply(object *unstructured.Unstructured) bool {
	if object.GetKind() != d.kind || d.name != "" && object.GetName() != d.name {
		return true
	}
	if len(d.path) == 0 {
		return false
	}
	remove(object.Object, d.path)
	return true
}

func remove(parent map[string]any, path []step) {
	first, rest := path[0], path[1:]
	value := parent[first.field]
	switch {
	case len(rest) == 0 && !first.isList:
		delete(parent, first.field)
	case len(rest) == 0:
		removeElements(parent, first)
	case first.isList:
		elements, _ := value.([]any)
		for _, element := range elements {
			if member, ok := element.(map[string]any); ok && first.selects(element) {
				remove(member, rest)
			}
		}
	default:
		if member, ok := value.(map[string]any); ok {
			remove(member, rest)
		}
	}
}

func removeElements(parent map[string]any, which step) {
	elements, ok := parent[which.field].([]any)
	if !ok {
		return
	}
	kept := []any{}
	for _, element := range elements {
		if !which.selects(element) {
			kept = append(kept, element)
		}
	}
	parent[which.field] = kept
}

func (s step) selects(element any) bool {
	if s.member == "" {
		return true
	}
	members, _ := element.(map[string]any)
	value, has := members[s.member]
	return has && (!s.hasValue || fmt.Sprint(value) == s.value)
}
