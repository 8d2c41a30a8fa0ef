package workloads

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"gwproxy.dev/conformance/apiserver"
)

// managedBy is what marks the EndpointSlices that are kept here; all others are left alone.
const managedBy = "endpointslice-controller.k8s.io"

// reconcileEndpoints makes the EndpointSlices of every Service with a selector tell its Pods.
func (m *Manager) reconcileEndpoints() {
	wanted := map[apiserver.Key]*discoveryv1.EndpointSlice{}
	for _, service := range list[corev1.Service](m, serviceKind, "") {
		if len(service.Spec.Selector) == 0 || service.Spec.Type == corev1.ServiceTypeExternalName {
			continue
		}
		for _, slice := range slicesOf(service, m.sortedPods(service.Namespace)) {
			wanted[keyOf(sliceKind, slice)] = slice
		}
	}
	for _, current := range list[discoveryv1.EndpointSlice](m, sliceKind, "") {
		if current.Labels[discoveryv1.LabelManagedBy] != managedBy {
			continue
		}
		key := keyOf(sliceKind, current)
		slice := wanted[key]
		delete(wanted, key)
		m.replaceSlice(key, current, slice)
	}
	for _, slice := range wanted {
		_, err := m.store.Create(encode(slice))
		m.report("creating EndpointSlice "+slice.Name, err)
	}
}

// replaceSlice updates or, without a wanted one, deletes an EndpointSlice.
func (m *Manager) replaceSlice(key apiserver.Key, current, wanted *discoveryv1.EndpointSlice) {
	if wanted == nil {
		_, err := m.store.Delete(key)
		m.report("deleting EndpointSlice "+key.Name, err)
		return
	}
	if equality.Semantic.DeepEqual(current.Endpoints, wanted.Endpoints) &&
		equality.Semantic.DeepEqual(current.OwnerReferences, wanted.OwnerReferences) {
		return
	}
	_, err := m.store.Update(encode(wanted))
	m.report("updating EndpointSlice "+key.Name, err)
}

// slicesOf returns the EndpointSlices of a Service: one for each set of port numbers that its ports
// come to in the Pods, and an empty one if there are no Pods.
func slicesOf(service *corev1.Service, pods []*pod) []*discoveryv1.EndpointSlice {
	selector := labels.SelectorFromSet(service.Spec.Selector)
	found := map[string]*discoveryv1.EndpointSlice{}
	for _, candidate := range pods {
		if !selector.Matches(labels.Set(candidate.object.Labels)) {
			continue
		}
		ports := portsIn(service, &candidate.object.Spec)
		name := service.Name + "-" + hashOf(ports)
		if found[name] == nil {
			found[name] = newSlice(service, name, ports)
		}
		found[name].Endpoints = append(found[name].Endpoints, endpointOf(candidate))
	}
	if len(found) == 0 {
		name := service.Name + "-" + hashOf(nil)
		found[name] = newSlice(service, name, nil)
	}
	all := make([]*discoveryv1.EndpointSlice, 0, len(found))
	for _, slice := range found {
		all = append(all, slice)
	}
	slices.SortFunc(all, func(a, b *discoveryv1.EndpointSlice) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

func newSlice(service *corev1.Service, name string, ports []discoveryv1.EndpointPort) *discoveryv1.EndpointSlice {
	return &discoveryv1.EndpointSlice{
		TypeMeta: metav1.TypeMeta{APIVersion: discoveryv1.SchemeGroupVersion.String(), Kind: sliceKind.Kind},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: service.Namespace,
			Name:      name,
			Labels: map[string]string{
				discoveryv1.LabelServiceName: service.Name,
				discoveryv1.LabelManagedBy:   managedBy,
			},
			OwnerReferences: ownedBy(service, corev1.SchemeGroupVersion.WithKind(serviceKind.Kind)),
		},
		AddressType: discoveryv1.AddressTypeIPv4,
		Endpoints:   []discoveryv1.Endpoint{},
		Ports:       ports,
	}
}

func endpointOf(backing *pod) discoveryv1.Endpoint {
	ready := backing.isReady()
	return discoveryv1.Endpoint{
		Addresses: []string{backing.address.String()},
		Conditions: discoveryv1.EndpointConditions{
			Ready:       &ready,
			Serving:     &ready,
			Terminating: new(false),
		},
		NodeName: new(nodeName),
		TargetRef: &corev1.ObjectReference{
			Kind:      podKind.Kind,
			Namespace: backing.object.Namespace,
			Name:      backing.object.Name,
			UID:       backing.object.UID,
		},
	}
}

// portsIn resolves the ports of a Service in a Pod. A port name that the Pod does not have gives none.
func portsIn(service *corev1.Service, spec *corev1.PodSpec) []discoveryv1.EndpointPort {
	var ports []discoveryv1.EndpointPort
	for _, port := range service.Spec.Ports {
		number, exists := targetPort(port, spec)
		if !exists {
			continue
		}
		protocol := cmp.Or(port.Protocol, corev1.ProtocolTCP)
		ports = append(ports, discoveryv1.EndpointPort{
			Name:        &port.Name,
			Protocol:    &protocol,
			Port:        &number,
			AppProtocol: port.AppProtocol,
		})
	}
	return ports
}

// targetPort returns the port number that a Service's port stands for in a Pod.
func targetPort(port corev1.ServicePort, spec *corev1.PodSpec) (number int32, exists bool) {
	if port.TargetPort.Type == intstr.Int {
		return cmp.Or(port.TargetPort.IntVal, port.Port), true
	}
	for _, container := range spec.Containers {
		for _, candidate := range container.Ports {
			if candidate.Name == port.TargetPort.StrVal &&
				cmp.Or(candidate.Protocol, corev1.ProtocolTCP) == cmp.Or(port.Protocol, corev1.ProtocolTCP) {
				return candidate.ContainerPort, true
			}
		}
	}
	return 0, false
}
