package workloads

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// withEnvironment returns the echo Deployment with further variables and a volume of the Secret pair.
func withEnvironment(variables ...string) string {
	manifest := echoManifest(1)
	for _, variable := range variables {
		name, value, _ := strings.Cut(variable, "=")
		manifest += fmt.Sprintf("        - {name: %s, value: %q}\n", name, value)
	}
	return manifest + `
        volumeMounts: [{name: tls, mountPath: /etc/tls}]
      volumes:
      - name: tls
        secret:
          secretName: pair
          items: [{key: tls.crt, path: crt}, {key: tls.key, path: key}]
`
}

func (w *world) createPair() {
	w.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(w, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(w, err)
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(w, err)
	_, err = w.store.Create(encode(&corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "pair"},
		Data: map[string][]byte{
			"tls.crt": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}),
			"tls.key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}),
		},
	}))
	require.NoError(w, err)
}

func TestASecretIsAwaited(t *testing.T) {
	w := newWorld(t)
	w.create(withEnvironment("TCP_ECHO_SERVER=1", "TLS_SERVER_CERT=/etc/tls/crt", "TLS_SERVER_PRIV_KEY=/etc/tls/key"))
	w.eventually("the reason in the status", func() bool {
		pods := list[corev1.Pod](w.Manager, podKind, "ns")
		return len(pods) == 1 && !isReadyPod(pods[0]) && len(pods[0].Status.ContainerStatuses) == 1 &&
			strings.Contains(pods[0].Status.ContainerStatuses[0].State.Waiting.Message, "Secret pair")
	})
	w.createPair()
	pod := w.readyPods(1)[0]
	connection, err := tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp",
		pod.Status.PodIP+":8443", &tls.Config{InsecureSkipVerify: true})
	require.NoError(t, err)
	defer connection.Close()
	fmt.Fprintln(connection, "IS_TLS")
	lines := bufio.NewScanner(connection)
	require.True(t, lines.Scan() && lines.Scan())
	require.Equal(t, "true", lines.Text())
}

func TestAPortWithoutItsCertificateIsClosed(t *testing.T) {
	w := newWorld(t)
	w.create(echoManifest(1))
	pod := w.readyPods(1)[0]
	_, err := net.Dial("tcp", pod.Status.PodIP+":8443")
	require.Error(t, err)
}

func TestUDPMode(t *testing.T) {
	w := newWorld(t)
	w.createPair()
	w.create(withEnvironment("UDP_ECHO_SERVER=1"))
	pod := w.readyPods(1)[0]
	connection, err := net.Dial("udp", pod.Status.PodIP+":8080")
	require.NoError(t, err)
	defer connection.Close()
	require.NoError(t, connection.SetDeadline(time.Now().Add(patience)))
	fmt.Fprint(connection, "hello")
	reply := make([]byte, maxDatagram)
	size, err := connection.Read(reply)
	require.NoError(t, err)
	require.Contains(t, string(reply[:size]), pod.Name)
}

func TestModesAndTheirPorts(t *testing.T) {
	numbers := func(variables ...string) (numbers []uint16) {
		values := map[string]string{}
		for _, name := range variables {
			values[name] = "1"
		}
		for _, port := range portsOf(values) {
			numbers = append(numbers, port.number)
		}
		return numbers
	}
	require.Equal(t, []uint16{3000, 3001}, numbers())
	require.Equal(t, []uint16{3000, 3001, 8443}, numbers("TLS_SERVER_CERT", "TLS_SERVER_PRIVKEY"))
	require.Equal(t, []uint16{3000, 3001}, numbers("TLS_SERVER_CERT", "TLS_SERVER_PRIV_KEY"))
	require.Equal(t, []uint16{3000}, numbers("GRPC_ECHO_SERVER", "TCP_ECHO_SERVER"))
	require.Equal(t, []uint16{3000, 8443}, numbers("TCP_ECHO_SERVER", "TLS_SERVER_CERT", "TLS_SERVER_PRIV_KEY"))
	require.Equal(t, []uint16{8080}, numbers("UDP_ECHO_SERVER"))
}
