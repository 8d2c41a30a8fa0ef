package conformance

import (
	"testing"

	"sigs.k8s.io/gateway-api/conformance"
)

func TestGatewayAPI(t *testing.T) {
	_ = conformance.RunConformanceWithOptions
	_ = t
}
