package conformance

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"gwproxy.dev/conformance/apiserver"
)

// installDefinitions adds the CustomResourceDefinitions of Gateway API's experimental channel, from
// which the suite reads the version that it judges by. Nothing else looks at them.
func installDefinitions(store *apiserver.Store) error {
	module, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/gateway-api").Output()
	if err != nil {
		return err
	}
	paths, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(module)), "config/crd/experimental/*.yaml"))
	if err != nil {
		return err
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		definition := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(text, &definition.Object); err != nil {
			return err
		}
		if definition.GetKind() != "CustomResourceDefinition" {
			continue
		}
		if _, err := store.Create(definition); err != nil {
			return err
		}
	}
	return nil
}
