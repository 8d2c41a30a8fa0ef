package bridge

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"gwproxy.dev/conformance/apiserver"
)

// interval is how often the status directory is looked at: short beside the second or so in which the
// suite polls, and cheap, since an unchanged directory costs one call.
const interval = 10 * time.Millisecond

// racy is how young a directory's time stamp may be without another change hiding behind it: more than
// any file system's resolution.
const racy = 50 * time.Millisecond

// Statuses copies the statuses that the proxy writes into a store, verbatim, to the object that has
// the uid of the one the proxy saw.
type Statuses struct {
	store     *apiserver.Store
	directory string
	known     map[string]statusFile // By name.
	failed    func(error)
	stop      chan struct{}
	stopped   chan struct{}
}

type statusFile struct {
	stamp os.FileInfo
	key   apiserver.Key
	uid   types.UID
}

// ReadStatuses starts to copy, until Close. A file that cannot be read is told to failed.
func ReadStatuses(store *apiserver.Store, directory string, failed func(error)) *Statuses {
	s := &Statuses{
		store:     store,
		directory: directory,
		known:     map[string]statusFile{},
		failed:    failed,
		stop:      make(chan struct{}),
		stopped:   make(chan struct{}),
	}
	go s.run()
	return s
}

// Close ends the copying and waits until nothing is being copied.
func (s *Statuses) Close() {
	close(s.stop)
	<-s.stopped
}

func (s *Statuses) run() {
	defer close(s.stopped)
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	var seen time.Time // The directory's time stamp at the last scan that was not racy.
	for {
		select {
		case <-s.stop:
			return
		case <-ticker.C:
		}
		info, err := os.Stat(s.directory)
		if err != nil || info.ModTime().Equal(seen) {
			continue // Not there yet, or unchanged.
		}
		isRacy := time.Since(info.ModTime()) < racy
		if s.scan(); !isRacy {
			seen = info.ModTime()
		}
	}
}

func (s *Statuses) scan() {
	entries, err := os.ReadDir(s.directory)
	if err != nil {
		s.failed(err)
		return
	}
	present := map[string]bool{}
	for _, entry := range entries {
		name := entry.Name()
		if strings.HasPrefix(name, ".") || filepath.Ext(name) != ".yaml" {
			continue
		}
		present[name] = true
		if err := s.copy(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.failed(err)
		}
	}
	for name, file := range s.known {
		if !present[name] {
			delete(s.known, name)
			s.tell(file.key, file.uid, nil)
		}
	}
}

// copy hands on the status of one file, if the file is another one than before.
func (s *Statuses) copy(name string) error {
	path := filepath.Join(s.directory, name)
	stamp, err := os.Stat(path)
	if err != nil {
		return err
	}
	before, isKnown := s.known[name]
	if isKnown && os.SameFile(before.stamp, stamp) && before.stamp.ModTime().Equal(stamp.ModTime()) {
		return nil
	}
	object, err := readObject(path)
	if err != nil {
		return err
	}
	key, uid := apiserver.KeyOf(object), object.GetUID()
	s.known[name] = statusFile{stamp, key, uid}
	status, _, err := unstructured.NestedMap(object.Object, "status")
	if err != nil {
		return err
	}
	s.tell(key, uid, status)
	return nil
}

// tell sets the status; an object that is gone or replaced has no use for it.
func (s *Statuses) tell(key apiserver.Key, uid types.UID, status map[string]any) {
	err := s.store.UpdateStatus(key, uid, status)
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		s.failed(err)
	}
}

func readObject(path string) (*unstructured.Unstructured, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	json, err := yaml.YAMLToJSON(text)
	if err != nil {
		return nil, err
	}
	object := &unstructured.Unstructured{}
	return object, object.UnmarshalJSON(json)
}
