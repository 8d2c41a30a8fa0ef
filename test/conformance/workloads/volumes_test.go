package workloads

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

func TestItemsNameTheFiles(t *testing.T) {
	data := map[string][]byte{"tls.crt": []byte("certificate"), "tls.key": []byte("key")}
	files, err := selectItems(data, []corev1.KeyToPath{{Key: "tls.crt", Path: "crt"}}, "Secret s")
	require.NoError(t, err)
	require.Equal(t, map[string][]byte{"crt": []byte("certificate")}, files)
	files, err = selectItems(data, nil, "Secret s")
	require.NoError(t, err)
	require.Equal(t, data, files)
	_, err = selectItems(data, []corev1.KeyToPath{{Key: "ca.crt", Path: "ca"}}, "Secret s")
	require.ErrorAs(t, err, new(notYet))
}

func TestFilesStayInTheirVolume(t *testing.T) {
	directory := t.TempDir()
	require.Error(t, writeFiles(filepath.Join(directory, "volume"), map[string][]byte{"../outside": nil}))
	require.NoError(t, writeFiles(filepath.Join(directory, "volume"), map[string][]byte{"a/b": []byte("text")}))
	text, err := os.ReadFile(filepath.Join(directory, "volume", "a", "b"))
	require.NoError(t, err)
	require.Equal(t, "text", string(text))
}

func TestValuesFollowTheirMounts(t *testing.T) {
	mounts := []mount{{"/etc/tls/ca", "/dir/ca"}, {"/etc/tls", "/dir/tls"}}
	for value, expected := range map[string]string{
		"/etc/tls/crt":     "/dir/tls/crt",
		"/etc/tls":         "/dir/tls",
		"/etc/tls/ca/x":    "/dir/ca/x",
		"/etc/tls-other/x": "/etc/tls-other/x",
		"plain":            "plain",
	} {
		require.Equal(t, expected, inMounts(value, mounts), value)
	}
}
