// Package conformance runs the conformance suite of Gateway API, unmodified, against gwproxy: see
// README.md.
package conformance

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/gateway-api/conformance"
	confv1 "sigs.k8s.io/gateway-api/conformance/apis/v1"
	"sigs.k8s.io/gateway-api/conformance/utils/config"
	"sigs.k8s.io/gateway-api/conformance/utils/suite"
	"sigs.k8s.io/gateway-api/pkg/features"

	"gwproxy.dev/conformance/apiserver"
	"gwproxy.dev/conformance/proxy"
)

const (
	className      = "gwproxy"
	controllerName = "gwproxy.dev/gateway-controller"
)

// warmUp is a whole run of the suite before the one that is judged. It has to pass, too.
const warmUp = "warm-up"

// profiles are all that a gateway can have; the others are for meshes.
var profiles = []suite.ConformanceProfileName{
	suite.GatewayHTTPConformanceProfileName,
	suite.GatewayGRPCConformanceProfileName,
	suite.GatewayTLSConformanceProfileName,
	suite.GatewayTCPConformanceProfileName,
	suite.GatewayUDPConformanceProfileName,
}

func TestGatewayAPI(t *testing.T) {
	log.SetLogger(zap.New(zap.UseDevMode(true)))
	settings := readSettings(t)
	harness := start(t, settings)
	options := optionsFor(t, settings, harness)
	supported := harness.createClass(t, options.Client)
	idle, err := harness.steadyUsage()
	require.NoError(t, err)
	if settings.run != "" {
		// The suite infers features only for a run of all tests.
		options.RunTest, options.SupportedFeatures = settings.run, supported
		t.Cleanup(func() { harness.expectDescriptorsToReturn(t, idle) })
	} else {
		// What the code needs, the engine compiles and allocates when it first runs.
		t.Run(warmUp, func(t *testing.T) {
			conformance.RunConformanceWithOptions(t, optionsFor(t, settings, harness))
		})
		harness.expectDescriptorsToReturn(t, idle)
		harness.expectMemoryToReturn(t, idle, 1+settings.workers)
	}
	conformance.RunConformanceWithOptions(t, options)
}

func optionsFor(t *testing.T, settings settings, harness *harness) suite.ConformanceOptions {
	t.Helper()
	options := suite.ConformanceOptions{
		RestConfig:    harness.config,
		ClientOptions: client.Options{Scheme: newScheme(t), Mapper: apiserver.Mapper()},
	}
	options.GatewayClassName = className
	options.ConformanceProfiles = profiles
	options.Mode = "standalone"
	options.Implementation = implementation(t)
	options.ReportOutputPath = filepath.Join(settings.output, "report.yaml")
	options.TimeoutConfig = config.DefaultTimeoutConfig()
	// The defaults of the suite's flags, which options made by hand do not have.
	options.CleanupBaseResources, options.CleanupTestResources = true, true
	options.UsableNetworkAddresses = addresses(settings.staticAddress)
	options.UnusableNetworkAddresses = addresses("192.0.2.1") // For documentation: nobody's.

	var err error
	options.Client, err = client.New(options.RestConfig, options.ClientOptions)
	require.NoError(t, err)
	options.Clientset, err = kubernetes.NewForConfig(options.RestConfig)
	require.NoError(t, err)
	return options
}

// implementation is what the report says of us.
func implementation(t *testing.T) confv1.Implementation {
	t.Helper()
	checkout, err := proxy.Checkout()
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(checkout, "package.json"))
	require.NoError(t, err)
	var manifest struct{ Version string }
	require.NoError(t, json.Unmarshal(text, &manifest))
	return confv1.Implementation{
		Organization: "gwproxy",
		Project:      "gwproxy",
		URL:          "https://gwproxy.dev",
		Version:      "v" + manifest.Version,
		Contact:      []string{"https://gwproxy.dev"},
	}
}

func addresses(value string) []gatewayv1.GatewaySpecAddress {
	kind := gatewayv1.IPAddressType
	return []gatewayv1.GatewaySpecAddress{{Type: &kind, Value: value}}
}

func newScheme(t *testing.T) *runtime.Scheme {
	t.Helper()
	made := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		scheme.AddToScheme, gatewayv1.Install, apiextensionsv1.AddToScheme,
	} {
		require.NoError(t, add(made))
	}
	return made
}

// createClass creates the GatewayClass, as somebody who installs an implementation does, and returns
// the features that the proxy then claims.
func (h *harness) createClass(t *testing.T, c client.Client) []features.FeatureName {
	t.Helper()
	class := &gatewayv1.GatewayClass{}
	class.Name = className
	class.Spec.ControllerName = controllerName
	require.NoError(t, c.Create(t.Context(), class))
	require.Eventually(t, func() bool {
		err := c.Get(t.Context(), client.ObjectKeyFromObject(class), class)
		return h.proxy.HasEnded() || err == nil && len(class.Status.SupportedFeatures) > 0
	}, time.Minute, 50*time.Millisecond, "the proxy has not accepted its GatewayClass")
	require.False(t, h.proxy.HasEnded(), "the proxy has ended by itself")
	var names []features.FeatureName
	for _, feature := range class.Status.SupportedFeatures {
		names = append(names, features.FeatureName(feature.Name))
	}
	return slices.Clip(names)
}
