package workloads

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"gwproxy.dev/conformance/apiserver"
)

func TestPodsAnswerUnderTheirOwnAddress(t *testing.T) {
	w := newWorld(t)
	w.create(serviceManifest)
	w.create(echoManifest(2))
	pods := w.readyPods(2)
	names := map[string]bool{}
	for _, pod := range pods {
		require.Regexp(t, `^echo-[a-z0-9]+-[a-z0-9]{5}$`, pod.Name)
		answer := w.get("http://" + pod.Status.PodIPs[0].IP + ":3000/path")
		require.Equal(t, pod.Name, answer["pod"])
		require.Equal(t, "ns", answer["namespace"])
		names[pod.Status.PodIP] = true
	}
	w.eventually("both in the slice", func() bool { return len(w.readyEndpoints()) == 2 })
	require.Equal(t, names, w.readyEndpoints())
}

func TestLogsOfAPod(t *testing.T) {
	w := newWorld(t)
	w.create(echoManifest(1))
	pod := w.readyPods(1)[0]
	before := time.Now()
	w.get("http://" + pod.Status.PodIP + ":3000/first")
	var text []byte
	w.eventually("the line of the request", func() bool {
		var err error
		text, err = w.Logs("ns", pod.Name, "main", before)
		return err == nil && strings.HasPrefix(string(text), "Echoing back request made to /first to client")
	})
	later, err := w.Logs("ns", pod.Name, "main", time.Now().Add(time.Hour))
	require.NoError(t, err)
	require.Empty(t, later)
	_, err = w.Logs("ns", pod.Name, "other", before)
	require.Error(t, err)
	_, err = w.Logs("ns", "other", "main", before)
	require.Error(t, err)
}

func TestScaleAndDelete(t *testing.T) {
	w := newWorld(t)
	w.create(serviceManifest)
	w.create(echoManifest(1))
	first := w.readyPods(1)[0]
	w.scale(2)
	w.readyPods(2)
	w.scale(1)
	require.Equal(t, first.Name, w.readyPods(1)[0].Name, "the oldest stays")
	w.eventually("one endpoint", func() bool { return len(w.readyEndpoints()) == 1 })

	_, err := w.store.Delete(keyOf(podKind, first))
	require.NoError(t, err)
	w.eventually("another in its place", func() bool {
		pods := list[corev1.Pod](w.Manager, podKind, "ns")
		return len(pods) == 1 && pods[0].Name != first.Name && isReadyPod(pods[0])
	})

	_, err = w.store.Delete(apiserver.Key{GroupKind: deploymentKind, Namespace: "ns", Name: "echo"})
	require.NoError(t, err)
	w.readyPods(0)
	w.eventually("no endpoint", func() bool { return len(w.readyEndpoints()) == 0 })
	w.eventually("a closed port", func() bool {
		_, err := net.Dial("tcp", first.Status.PodIP+":3000")
		return err != nil
	})
	_, err = w.store.Delete(apiserver.Key{GroupKind: serviceKind, Namespace: "ns", Name: "echo"})
	require.NoError(t, err)
	w.eventually("no slice", func() bool { return len(w.store.List(sliceKind, "ns")) == 0 })
}

func (w *world) scale(replicas int64) {
	w.Helper()
	key := apiserver.Key{GroupKind: deploymentKind, Namespace: "ns", Name: "echo"}
	object, err := w.store.Get(key)
	require.NoError(w, err)
	require.NoError(w, unstructured.SetNestedField(object.Object, replicas, "spec", "replicas"))
	_, err = w.store.Update(object)
	require.NoError(w, err)
}

func TestSlicesOfOthersStay(t *testing.T) {
	w := newWorld(t)
	w.create(`
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: manual, namespace: ns, labels: {kubernetes.io/service-name: manual}}
addressType: IPv4
ports: [{port: 3000}]
endpoints: [{addresses: [127.0.0.1]}]
`)
	w.create(serviceManifest)
	w.eventually("the slice of the Service", func() bool { return len(w.store.List(sliceKind, "ns")) == 2 })
	manual, err := w.store.Get(apiserver.Key{GroupKind: sliceKind, Namespace: "ns", Name: "manual"})
	require.NoError(t, err)
	require.Equal(t, int64(1), manual.GetGeneration())
}

func TestADeadProcessIsReplaced(t *testing.T) {
	w := newWorld(t)
	w.create(echoManifest(1))
	pod := w.readyPods(1)[0]
	require.NoError(t, exec.Command("kill", "-KILL", w.processOf(pod)).Run())
	w.eventually("a restart", func() bool {
		now := list[corev1.Pod](w.Manager, podKind, "ns")
		return len(now) == 1 && isReadyPod(now[0]) && now[0].Status.ContainerStatuses[0].RestartCount == 1
	})
	require.Equal(t, pod.Name, w.get("http://" + pod.Status.PodIP + ":3000/")["pod"])
}

// processOf finds the one process that runs in the directory of a Pod.
func (w *world) processOf(pod *corev1.Pod) string {
	w.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/cwd")
	require.NoError(w, err)
	for _, link := range links {
		if directory, err := os.Readlink(link); err == nil && filepath.Base(directory) == string(pod.UID) {
			return strings.Split(link, "/")[2]
		}
	}
	w.Fatal("no process of the Pod")
	return ""
}

func TestNothingSurvives(t *testing.T) {
	w := newWorld(t)
	w.create(echoManifest(2))
	pod := w.readyPods(2)[0]
	process := w.processOf(pod)
	w.end()
	require.NoDirExists(t, w.options.Directory)
	require.NoDirExists(t, "/proc/"+process)
	_, err := net.Dial("tcp", pod.Status.PodIP+":3000")
	require.Error(t, err)
}

func TestDNSAnswersItsZone(t *testing.T) {
	w := newWorld(t)
	w.create(strings.Replace(echoManifest(1), "gateway-api/echo-basic:v1", "coredns/coredns:v1.12.2", 1))
	at := net.JoinHostPort(w.readyPods(1)[0].Status.PodIP, "53")
	for _, network := range []string{"udp", "tcp"} {
		client := &dns.Client{Net: network, Timeout: patience}
		reply, _, err := client.Exchange(new(dns.Msg).SetQuestion("foo.bar.com.", dns.TypeA), at)
		require.NoError(t, err)
		require.Equal(t, dns.RcodeSuccess, reply.Rcode)
		require.Len(t, reply.Extra, 2)
		reply, _, err = client.Exchange(new(dns.Msg).SetQuestion("other.example.", dns.TypeA), at)
		require.NoError(t, err)
		require.Equal(t, dns.RcodeRefused, reply.Rcode)
	}
}

func TestUnknownImageNeverRuns(t *testing.T) {
	w := newWorld(t)
	w.create(strings.Replace(echoManifest(1), "echo-basic", "unknown", 1))
	w.eventually("the reason in the status", func() bool {
		pods := list[corev1.Pod](w.Manager, podKind, "ns")
		return len(pods) == 1 && len(pods[0].Status.ContainerStatuses) == 1 &&
			strings.Contains(pods[0].Status.ContainerStatuses[0].State.Waiting.Message, "unknown")
	})
}
