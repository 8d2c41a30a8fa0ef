package workloads

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"gwproxy.dev/conformance/apiserver"
)

// notYet says that an object which a Pod needs, or a key of it, does not exist yet.
type notYet struct {
	what string
}

func (missing notYet) Error() string {
	return missing.what + " does not exist yet"
}

// mount is a volume as the process sees it: below directory instead of path.
type mount struct {
	path      string
	directory string
}

// writeVolumes writes the volumes that a container mounts into a directory. A notYet error means that
// it is worth trying again later.
func (m *Manager) writeVolumes(namespace string, spec *corev1.PodSpec, directory string) ([]mount, error) {
	var mounts []mount
	for _, wanted := range spec.Containers[0].VolumeMounts {
		index := slices.IndexFunc(spec.Volumes, func(volume corev1.Volume) bool { return volume.Name == wanted.Name })
		if index < 0 || wanted.SubPath != "" || wanted.SubPathExpr != "" {
			return nil, fmt.Errorf("unsupported mount of volume %q", wanted.Name)
		}
		files, err := m.filesOf(namespace, &spec.Volumes[index])
		if err != nil {
			return nil, err
		}
		target := filepath.Join(directory, wanted.Name)
		if err := writeFiles(target, files); err != nil {
			return nil, err
		}
		mounts = append(mounts, mount{path: wanted.MountPath, directory: target})
	}
	slices.SortFunc(mounts, func(a, b mount) int { return cmp.Compare(len(b.path), len(a.path)) })
	return mounts, nil
}

// filesOf returns the contents of a volume by path.
func (m *Manager) filesOf(namespace string, volume *corev1.Volume) (map[string][]byte, error) {
	switch {
	case volume.Secret != nil:
		source := volume.Secret
		secret, err := find[corev1.Secret](m, secretKind, namespace, source.SecretName)
		if err != nil {
			return nil, err
		}
		data := secret.Data
		for key, text := range secret.StringData {
			data[key] = []byte(text)
		}
		return selectItems(data, source.Items, "Secret "+source.SecretName)
	case volume.ConfigMap != nil:
		source := volume.ConfigMap
		config, err := find[corev1.ConfigMap](m, configMapKind, namespace, source.Name)
		if err != nil {
			return nil, err
		}
		data := map[string][]byte{}
		for key, text := range config.Data {
			data[key] = []byte(text)
		}
		for key, bytes := range config.BinaryData {
			data[key] = bytes
		}
		return selectItems(data, source.Items, "ConfigMap "+source.Name)
	default:
		return nil, fmt.Errorf("unsupported source of volume %q", volume.Name)
	}
}

// find returns an object of the namespace, or a notYet error.
func find[T any](m *Manager, kind schema.GroupKind, namespace, name string) (*T, error) {
	object, err := m.store.Get(apiserver.Key{GroupKind: kind, Namespace: namespace, Name: name})
	if err != nil {
		return nil, notYet{kind.Kind + " " + name}
	}
	return decode[T](object)
}

// selectItems returns the keys that items name, by their paths, or all of them if there are no items.
func selectItems(data map[string][]byte, items []corev1.KeyToPath, object string) (map[string][]byte, error) {
	if len(items) == 0 {
		return data, nil
	}
	files := map[string][]byte{}
	for _, item := range items {
		content, exists := data[item.Key]
		if !exists {
			return nil, notYet{object + " with the key " + item.Key}
		}
		files[item.Path] = content
	}
	return files, nil
}

func writeFiles(directory string, files map[string][]byte) error {
	for path, content := range files {
		if !filepath.IsLocal(path) {
			return fmt.Errorf("the path %q leaves its volume", path)
		}
		target := filepath.Join(directory, path)
		if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(target, content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// inMounts returns a value with a leading mount path replaced by the directory that stands for it. The
// mounts are sorted, the longest path first.
func inMounts(value string, mounts []mount) string {
	for _, mount := range mounts {
		rest, found := strings.CutPrefix(value, mount.path)
		if found && (rest == "" || rest[0] == '/') {
			return mount.directory + rest
		}
	}
	return value
}
