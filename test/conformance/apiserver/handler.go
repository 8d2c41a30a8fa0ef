package apiserver

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	utiljson "k8s.io/apimachinery/pkg/util/json"
)

// NewHandler serves the store: get, list by labels, create, update, JSON merge patch and delete, and
// the log of pods. There is no watch, no discovery and no writing of statuses.
func NewHandler(store *Store, logs LogSource) http.Handler {
	return &handler{store, logs}
}

type handler struct {
	store *Store
	logs  LogSource
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	target, err := parsePath(r.URL.Path)
	if err != nil {
		writeError(w, err)
		return
	}
	if target.subresource != "" {
		h.serveSubresource(w, r, target)
		return
	}
	answer, code, err := h.answer(r, target)
	if err != nil {
		writeError(w, err)
		return
	}
	writeJSON(w, code, answer)
}

func (h *handler) answer(r *http.Request, target target) (any, int, error) {
	isCollection := target.name == ""
	switch {
	case r.Method == http.MethodGet && isCollection:
		list, err := h.list(r, target)
		return list, http.StatusOK, err
	case r.Method == http.MethodGet:
		object, err := h.store.Get(target.key())
		return object, http.StatusOK, err
	case r.Method == http.MethodPost && isCollection:
		object, err := h.write(r, target, h.store.Create)
		return object, http.StatusCreated, err
	case r.Method == http.MethodPut && !isCollection:
		object, err := h.write(r, target, h.store.Update)
		return object, http.StatusOK, err
	case r.Method == http.MethodPatch && !isCollection:
		object, err := h.patch(r, target)
		return object, http.StatusOK, err
	case r.Method == http.MethodDelete && !isCollection:
		object, err := h.store.Delete(target.key())
		return object, http.StatusOK, err
	default:
		return nil, 0, notServed(r.Method + " " + r.URL.Path)
	}
}

func (h *handler) list(r *http.Request, target target) (*unstructured.UnstructuredList, error) {
	query := r.URL.Query()
	if query.Get("watch") != "" || query.Get("fieldSelector") != "" {
		return nil, notServed(r.URL.String())
	}
	selector, err := labels.Parse(query.Get("labelSelector"))
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	list := &unstructured.UnstructuredList{Items: []unstructured.Unstructured{}}
	list.SetGroupVersionKind(target.GroupVersion().WithKind(target.Kind + "List"))
	for _, object := range h.store.List(target.GroupKind(), target.namespace) {
		if selector.Matches(labels.Set(object.GetLabels())) {
			list.Items = append(list.Items, *object)
		}
	}
	return list, nil
}

func (h *handler) write(
	r *http.Request,
	target target,
	operation func(*unstructured.Unstructured) (*unstructured.Unstructured, error),
) (*unstructured.Unstructured, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	object, err := decode(body, target)
	if err != nil {
		return nil, err
	}
	return operation(object)
}

// patch applies a JSON merge patch to the current state, until no other writer came between.
func (h *handler) patch(r *http.Request, target target) (*unstructured.Unstructured, error) {
	if kind := r.Header.Get("Content-Type"); kind != string(types.MergePatchType) {
		return nil, notServed("PATCH with " + kind)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	for {
		current, err := h.store.Get(target.key())
		if err != nil {
			return nil, err
		}
		patched, err := merge(current, body, target)
		if err != nil {
			return nil, err
		}
		updated, err := h.store.Update(patched)
		isOurs := patched.GetResourceVersion() == current.GetResourceVersion()
		if apierrors.IsConflict(err) && isOurs {
			continue
		}
		return updated, err
	}
}

func merge(current *unstructured.Unstructured, patch []byte, target target) (*unstructured.Unstructured, error) {
	original, err := current.MarshalJSON()
	if err != nil {
		return nil, err
	}
	merged, err := jsonpatch.MergePatch(original, patch)
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	return decode(merged, target)
}

// decode reads an object; what the path names, the object may leave out.
func decode(body []byte, target target) (*unstructured.Unstructured, error) {
	object := &unstructured.Unstructured{}
	if err := utiljson.Unmarshal(body, &object.Object); err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	object.SetGroupVersionKind(target.GroupVersionKind)
	if target.Namespaced {
		object.SetNamespace(target.namespace)
	}
	if target.name != "" {
		object.SetName(target.name)
	}
	return object, nil
}

func (h *handler) serveSubresource(w http.ResponseWriter, r *http.Request, target target) {
	if r.Method != http.MethodGet || target.Kind != "Pod" || target.subresource != "log" {
		writeError(w, notServed(r.Method+" "+r.URL.Path))
		return
	}
	query := r.URL.Query()
	var since time.Time
	if text := query.Get("sinceTime"); text != "" {
		parsed, err := time.Parse(time.RFC3339, text)
		if err != nil {
			writeError(w, apierrors.NewBadRequest(err.Error()))
			return
		}
		since = parsed
	}
	text, err := h.logs.Logs(target.namespace, target.name, query.Get("container"), since)
	if err != nil {
		writeError(w, err)
		return
	}
	w.Header().Set("Content-Type", "text/plain")
	_, _ = w.Write(text) // A client that is gone needs no answer.
}

func writeError(w http.ResponseWriter, err error) {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		status = apierrors.NewInternalError(err)
	}
	answer := status.Status()
	answer.TypeMeta = metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}
	writeJSON(w, int(answer.Code), answer)
}

func writeJSON(w http.ResponseWriter, code int, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(answer) // A client that is gone needs no answer.
}
