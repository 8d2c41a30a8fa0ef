package workloads

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func podOf(name, address string, ready bool, ports ...corev1.ContainerPort) *pod {
	answering := make(chan struct{})
	if ready {
		close(answering)
	}
	return &pod{
		object: corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name, Labels: map[string]string{"app": "echo"}},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "echo", Ports: ports}}},
		},
		address: netip.MustParseAddr(address),
		task:    &task{ready: answering, done: make(chan struct{})},
	}
}

func serviceOf(ports ...corev1.ServicePort) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "echo"},
		Spec:       corev1.ServiceSpec{Selector: map[string]string{"app": "echo"}, Ports: ports},
	}
}

func TestSliceTellsReadyAndOtherPods(t *testing.T) {
	service := serviceOf(corev1.ServicePort{Name: "web", Port: 8080, TargetPort: intstr.FromInt32(3000)})
	slices := slicesOf(service, []*pod{podOf("a", "127.20.0.1", true), podOf("b", "127.20.0.2", false)})
	require.Len(t, slices, 1)
	require.Equal(t, "echo", slices[0].Labels["kubernetes.io/service-name"])
	require.Equal(t, int32(3000), *slices[0].Ports[0].Port)
	require.Equal(t, corev1.ProtocolTCP, *slices[0].Ports[0].Protocol)
	require.Equal(t, "web", *slices[0].Ports[0].Name)
	require.Equal(t, []string{"127.20.0.1"}, slices[0].Endpoints[0].Addresses)
	require.True(t, *slices[0].Endpoints[0].Conditions.Ready)
	require.False(t, *slices[0].Endpoints[1].Conditions.Ready)
}

func TestNamedTargetPortIsEachPodsOwn(t *testing.T) {
	service := serviceOf(corev1.ServicePort{Port: 80, TargetPort: intstr.FromString("web")})
	slices := slicesOf(service, []*pod{
		podOf("a", "127.20.0.1", true, corev1.ContainerPort{Name: "web", ContainerPort: 3000}),
		podOf("b", "127.20.0.2", true, corev1.ContainerPort{Name: "web", ContainerPort: 3001}),
		podOf("c", "127.20.0.3", true, corev1.ContainerPort{Name: "web", ContainerPort: 9, Protocol: corev1.ProtocolUDP}),
	})
	require.Len(t, slices, 3)
	byAddress := map[string][]int32{}
	for _, slice := range slices {
		numbers := []int32{}
		for _, port := range slice.Ports {
			numbers = append(numbers, *port.Port)
		}
		byAddress[slice.Endpoints[0].Addresses[0]] = numbers
	}
	require.Equal(t, map[string][]int32{"127.20.0.1": {3000}, "127.20.0.2": {3001}, "127.20.0.3": {}}, byAddress)
}

func TestServicePortStandsForItself(t *testing.T) {
	number, exists := targetPort(corev1.ServicePort{Port: 53}, &corev1.PodSpec{})
	require.True(t, exists)
	require.Equal(t, int32(53), number)
}

func TestServiceWithoutPodsHasAnEmptySlice(t *testing.T) {
	other := podOf("a", "127.20.0.1", true)
	other.object.Labels = map[string]string{"app": "other"}
	slices := slicesOf(serviceOf(corev1.ServicePort{Port: 80}), []*pod{other})
	require.Len(t, slices, 1)
	require.Empty(t, slices[0].Endpoints)
}
