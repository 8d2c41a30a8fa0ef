package workloads

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

const echoPackage = "sigs.k8s.io/gateway-api/conformance/echo-basic"

// BuildEchoServer builds the suite's echo server, unmodified, from the module cache, and returns its
// path. It stays in the user's cache directory, so that later runs find it built.
func BuildEchoServer(ctx context.Context) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	target := filepath.Join(cache, "gwproxy", "conformance", "echo-basic")
	build := exec.CommandContext(ctx, "go", "build", "-o", target, echoPackage)
	if output, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building %s: %w\n%s", echoPackage, err, output)
	}
	return target, nil
}
