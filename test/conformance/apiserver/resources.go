package apiserver

import (
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Resource is a kind that the server knows, in the one version in which the suite uses it.
type Resource struct {
	schema.GroupVersionKind
	Plural     string
	Namespaced bool
}

var (
	core         = schema.GroupVersion{Version: "v1"}
	apps         = schema.GroupVersion{Group: "apps", Version: "v1"}
	discovery    = schema.GroupVersion{Group: "discovery.k8s.io", Version: "v1"}
	extensions   = schema.GroupVersion{Group: "apiextensions.k8s.io", Version: "v1"}
	gatewayGroup = schema.GroupVersion{Group: "gateway.networking.k8s.io", Version: "v1"}
)

// Resources are all kinds that the server knows.
var Resources = []Resource{
	{core.WithKind("Namespace"), "namespaces", false},
	{core.WithKind("Pod"), "pods", true},
	{core.WithKind("Service"), "services", true},
	{core.WithKind("ServiceAccount"), "serviceaccounts", true},
	{core.WithKind("Secret"), "secrets", true},
	{core.WithKind("ConfigMap"), "configmaps", true},
	{apps.WithKind("Deployment"), "deployments", true},
	{discovery.WithKind("EndpointSlice"), "endpointslices", true},
	{extensions.WithKind("CustomResourceDefinition"), "customresourcedefinitions", false},
	{gatewayGroup.WithKind("GatewayClass"), "gatewayclasses", false},
	{gatewayGroup.WithKind("Gateway"), "gateways", true},
	{gatewayGroup.WithKind("ListenerSet"), "listenersets", true},
	{gatewayGroup.WithKind("HTTPRoute"), "httproutes", true},
	{gatewayGroup.WithKind("GRPCRoute"), "grpcroutes", true},
	{gatewayGroup.WithKind("TLSRoute"), "tlsroutes", true},
	{gatewayGroup.WithKind("TCPRoute"), "tcproutes", true},
	{gatewayGroup.WithKind("UDPRoute"), "udproutes", true},
	{gatewayGroup.WithKind("ReferenceGrant"), "referencegrants", true},
	{gatewayGroup.WithKind("BackendTLSPolicy"), "backendtlspolicies", true},
}

// Mapper gives clients the resources' paths without a discovery request.
func Mapper() meta.RESTMapper {
	mapper := meta.NewDefaultRESTMapper(nil)
	for _, resource := range Resources {
		scope := meta.RESTScopeRoot
		if resource.Namespaced {
			scope = meta.RESTScopeNamespace
		}
		plural := resource.GroupVersion().WithResource(resource.Plural)
		mapper.AddSpecific(resource.GroupVersionKind, plural, plural, scope)
	}
	return mapper
}

// findResource returns the resource that a path names.
func findResource(version schema.GroupVersion, plural string) (Resource, bool) {
	for _, resource := range Resources {
		if resource.GroupVersion() == version && resource.Plural == plural {
			return resource, true
		}
	}
	return Resource{}, false
}
