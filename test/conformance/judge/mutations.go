package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// mutation breaks one claimed feature: a field that the proxy never gets to see (bridge.Drop), and a
// test that must notice.
type mutation struct {
	feature string
	test    string
	drop    string
}

// mutations break every feature that gwproxy claims and the suite has a test for.
var mutations = []mutation{
	{"BackendTLSPolicy", "BackendTLSPolicy", "BackendTLSPolicy"},
	{"BackendTLSPolicySANValidation", "BackendTLSPolicySANValidation", "BackendTLSPolicy:spec.validation.subjectAltNames"},
	{"GRPCRoute", "GRPCExactMethodMatching", "GRPCRoute:spec.rules[].matches"},
	{"GRPCRouteNamedRouteRule", "GRPCRouteNamedRule", "GRPCRoute:spec.rules[name]"},
	{"Gateway", "GatewayInvalidRouteKind", "Gateway:spec.listeners[].allowedRoutes.kinds"},
	{"GatewayAddressEmpty", "GatewayOptionalAddressValue", "Gateway/gateway-without-address-value"},
	{"GatewayBackendClientCertificate", "GatewayTLSBackendClientCertificate", "Gateway:spec.tls.backend"},
	{"GatewayFrontendClientCertificateValidation", "GatewayFrontendClientCertificateValidation", "Gateway:spec.tls.frontend"},
	{"GatewayFrontendClientCertificateValidationInsecureFallback", "GatewayFrontendClientCertificateValidationInsecureFallback", "Gateway:spec.tls.frontend.default.validation.mode"},
	{"GatewayHTTPListenerIsolation", "GatewayHTTPListenerIsolation", "HTTPRoute:spec.parentRefs[].sectionName"},
	{"GatewayHTTPSListenerDetectMisdirectedRequests", "HTTPRouteHTTPSListenerDetectMisdirectedRequests", "Gateway:spec.listeners[name=https-with-hostname-matching-wildcard]"},
	{"GatewayPort8080", "GatewayWithAttachedRoutesWithPort8080", "Gateway:spec.listeners[port=8080]"},
	{"GatewayStaticAddresses", "GatewayStaticAddresses", "Gateway:spec.addresses"},
	{"HTTPRoute", "HTTPRouteMatching", "HTTPRoute:spec.rules[].matches"},
	{"HTTPRoute303RedirectStatusCode", "HTTPRoute303Redirect", "HTTPRoute:spec.rules[].filters[].requestRedirect.statusCode"},
	{"HTTPRoute307RedirectStatusCode", "HTTPRoute307Redirect", "HTTPRoute:spec.rules[].filters[].requestRedirect.statusCode"},
	{"HTTPRoute308RedirectStatusCode", "HTTPRoute308Redirect", "HTTPRoute:spec.rules[].filters[].requestRedirect.statusCode"},
	{"HTTPRouteBackendProtocolH2C", "HTTPRouteBackendProtocolH2C", "Service:spec.ports[].appProtocol"},
	{"HTTPRouteBackendProtocolWebSocket", "HTTPRouteBackendProtocolWebSocket", "Service:spec.ports[appProtocol=kubernetes.io/ws]"},
	{"HTTPRouteBackendRequestHeaderModification", "HTTPRouteBackendRequestHeaderModifier", "HTTPRoute:spec.rules[].backendRefs[].filters"},
	{"HTTPRouteBackendTimeout", "HTTPRouteTimeoutBackendRequest", "HTTPRoute:spec.rules[].timeouts.backendRequest"},
	{"HTTPRouteCORS", "HTTPRouteCORS", "HTTPRoute:spec.rules[].filters[type=CORS]"},
	{"HTTPRouteDestinationPortMatching", "HTTPRouteInvalidParentRefNotMatchingListenerPort", "HTTPRoute:spec.parentRefs[].port"},
	{"HTTPRouteHostRewrite", "HTTPRouteRewriteHost", "HTTPRoute:spec.rules[].filters[].urlRewrite.hostname"},
	{"HTTPRouteMethodMatching", "HTTPRouteMethodMatching", "HTTPRoute:spec.rules[].matches[].method"},
	{"HTTPRouteNamedRouteRule", "HTTPRouteNamedRule", "HTTPRoute:spec.rules[name]"},
	{"HTTPRouteParentRefPort", "HTTPRouteListenerPortMatching", "HTTPRoute:spec.parentRefs[].port"},
	{"HTTPRoutePathRedirect", "HTTPRouteRedirectPath", "HTTPRoute:spec.rules[].filters[].requestRedirect.path"},
	{"HTTPRoutePathRewrite", "HTTPRouteRewritePath", "HTTPRoute:spec.rules[].filters[].urlRewrite.path"},
	{"HTTPRoutePortRedirect", "HTTPRouteRedirectPort", "HTTPRoute:spec.rules[].filters[].requestRedirect.port"},
	{"HTTPRouteQueryParamMatching", "HTTPRouteQueryParamMatching", "HTTPRoute:spec.rules[].matches[].queryParams"},
	{"HTTPRouteRequestMirror", "HTTPRouteRequestMirror", "HTTPRoute:spec.rules[].filters[type=RequestMirror]"},
	{"HTTPRouteRequestMultipleMirrors", "HTTPRouteRequestMultipleMirrors", "HTTPRoute:spec.rules[].filters[type=RequestMirror]"},
	{"HTTPRouteRequestPercentageMirror", "HTTPRouteRequestPercentageMirror", "HTTPRoute:spec.rules[].filters[].requestMirror.percent"},
	{"HTTPRouteRequestTimeout", "HTTPRouteTimeoutRequest", "HTTPRoute:spec.rules[].timeouts.request"},
	{"HTTPRouteResponseHeaderModification", "HTTPRouteResponseHeaderModifier", "HTTPRoute:spec.rules[].filters[type=ResponseHeaderModifier]"},
	{"HTTPRouteRetry", "HTTPRouteRetry", "HTTPRoute:spec.rules[].retry"},
	{"HTTPRouteSchemeRedirect", "HTTPRouteRedirectScheme", "HTTPRoute:spec.rules[].filters[].requestRedirect.scheme"},
	{"ListenerSet", "ListenerSetHTTPRouting", "ListenerSet"},
	{"ReferenceGrant", "HTTPRouteReferenceGrant", "ReferenceGrant"},
	{"TCPRoute", "TCPRouteWeightedRouting", "TCPRoute:spec.rules[].backendRefs[].weight"},
	{"TLSRoute", "TLSRouteSimpleSameNamespace", "TLSRoute:spec.hostnames"},
	{"TLSRouteModeMixed", "TLSRouteMixedTerminationSameNamespace", "Gateway:spec.listeners[].tls.mode"},
	{"TLSRouteModeTerminate", "TLSRouteTerminateSimpleSameNamespace", "Gateway/gateway-tlsroute-terminate:spec.listeners[].tls.certificateRefs"},
	{"UDPRoute", "UDPRouteWeightedRouting", "UDPRoute:spec.rules[].backendRefs[].weight"},
}

// untested are claimed features for which this version of the suite has no test of its own; gwproxy's
// end-to-end tests show them.
var untested = []string{"HTTPRouteRetryBackendTimeout", "HTTPRouteRetryConnectionError"}

// mutationsAtOnce is bounded by the machine: a broken feature mostly waits for a time-out.
const mutationsAtOnce = 4

// mutate judges the judge: every mutation, or those of some features, must make its test fail.
func mutate(features []string) error {
	chosen, err := mutationsOf(features)
	if err != nil {
		return err
	}
	var survivors []error
	var lock sync.Mutex
	queue := make(chan mutation, len(chosen))
	for _, m := range chosen {
		queue <- m
	}
	close(queue)
	var workers sync.WaitGroup
	for number := range mutationsAtOnce {
		workers.Go(func() {
			for m := range queue {
				err := m.run("mutation-" + strconv.Itoa(number))
				lock.Lock()
				if err != nil {
					survivors = append(survivors, err)
					fmt.Printf("NOT SEEN %s: %v\n", m.feature, err)
				} else {
					fmt.Printf("seen %s: %s fails without %s\n", m.feature, m.test, m.drop)
				}
				lock.Unlock()
			}
		})
	}
	workers.Wait()
	if len(survivors) > 0 {
		return fmt.Errorf("%d of %d mutations were not seen", len(survivors), len(chosen))
	}
	fmt.Printf("all %d mutations were seen\n", len(chosen))
	return nil
}

// mutationsOf returns the mutations of the features, or all for none.
func mutationsOf(features []string) ([]mutation, error) {
	if len(features) == 0 {
		return mutations, nil
	}
	var chosen []mutation
	for _, feature := range features {
		i := slices.IndexFunc(mutations, func(m mutation) bool { return m.feature == feature })
		if i < 0 {
			return nil, fmt.Errorf("no mutation of a feature %q", feature)
		}
		chosen = append(chosen, mutations[i])
	}
	return chosen, nil
}

// run runs the mutation's test until the first of its parts fails. An error means that it did not, or
// that something else did.
func (m mutation) run(directory string) error {
	output, err := filepath.Abs(filepath.Join("output", directory))
	if err != nil {
		return err
	}
	isOurs := func(name string) bool { return name == m.test || strings.HasPrefix(name, m.test+"/") }
	_, exit, err := run(request{
		test:   m.test,
		drop:   m.drop,
		output: output,
		stop:   func(name, action string) bool { return action == "fail" && isOurs(name) },
	})
	switch {
	case err != nil:
		return err
	case errors.Is(exit, errStopped):
		return nil
	case exit != nil:
		return fmt.Errorf("%s did not fail, but the run did: %w", m.test, exit)
	default:
		return fmt.Errorf("%s passes without %s", m.test, m.drop)
	}
}
