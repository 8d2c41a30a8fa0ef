package expected

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/gateway-api/conformance/tests"
	"sigs.k8s.io/gateway-api/pkg/features"
)

var word = regexp.MustCompile(`[A-Za-z][A-Za-z0-9-]*`)

// gwproxy's source knows the API and its features, but nothing of the suite: neither its tests nor the
// objects that they are about.
func TestSourceKnowsNothingOfTheSuite(t *testing.T) {
	ofSuite := map[string]bool{}
	for _, test := range tests.ConformanceTests {
		ofSuite[test.ShortName] = true
	}
	for feature := range features.SetsToNamesSet(features.AllFeatures) {
		delete(ofSuite, string(feature))
	}
	root := filepath.Join("..", "..", "..", "src")
	files := 0
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		files++
		text, err := os.ReadFile(path)
		for _, found := range word.FindAllString(string(text), -1) {
			if ofSuite[found] || strings.HasPrefix(found, "gateway-conformance") {
				t.Errorf("%s names %s of the suite", path, found)
			}
		}
		return err
	})
	require.NoError(t, err)
	require.Greater(t, files, 100, "this is the source")
}
