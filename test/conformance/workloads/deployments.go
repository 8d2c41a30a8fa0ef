package workloads

import (
	"cmp"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"path/filepath"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/rand"
)

// nodeName is the node on which all Pods run.
const nodeName = "localhost"

// reconcilePods creates the Pods that Deployments lack, and deletes those that none wants any more. It
// returns the latter, whose tasks still run.
func (m *Manager) reconcilePods() (leaving []*pod) {
	owned := m.forgetDeleted(&leaving)
	for _, deployment := range list[appsv1.Deployment](m, deploymentKind, "") {
		pods := owned[deployment.UID]
		delete(owned, deployment.UID)
		leaving = append(leaving, m.reconcileDeployment(deployment, pods)...)
	}
	for _, orphans := range owned {
		leaving = append(leaving, m.deletePods(orphans)...)
	}
	return leaving
}

// forgetDeleted drops the Pods whose objects somebody has deleted, and returns the others by Deployment.
func (m *Manager) forgetDeleted(leaving *[]*pod) map[types.UID][]*pod {
	owned := map[types.UID][]*pod{}
	for key, running := range m.pods {
		object, err := m.store.Get(key)
		if err != nil || object.GetUID() != running.object.UID {
			m.forget(running)
			*leaving = append(*leaving, running)
			continue
		}
		owned[running.deployment] = append(owned[running.deployment], running)
	}
	return owned
}

// reconcileDeployment gives a Deployment as many Pods of its current template as it wants. Those of an
// older template go at once.
func (m *Manager) reconcileDeployment(deployment *appsv1.Deployment, pods []*pod) (leaving []*pod) {
	template := hashOf(deployment.Spec.Template)
	current := slices.Clone(pods)
	current = slices.DeleteFunc(current, func(p *pod) bool { return p.template != template })
	outdated := slices.DeleteFunc(pods, func(p *pod) bool { return p.template == template })
	slices.SortFunc(current, func(a, b *pod) int { return a.address.Compare(b.address) })
	wanted := 1
	if deployment.Spec.Replicas != nil {
		wanted = int(*deployment.Spec.Replicas)
	}
	for range wanted - len(current) {
		if err := m.createPod(deployment, template); err != nil {
			m.report("deployment "+deployment.Name, err)
			break
		}
	}
	surplus := current[min(wanted, len(current)):] // The youngest: addresses rise.
	return m.deletePods(slices.Concat(outdated, surplus))
}

func (m *Manager) createPod(deployment *appsv1.Deployment, template string) error {
	if count := len(deployment.Spec.Template.Spec.Containers); count != 1 {
		return fmt.Errorf("a Pod of one container is supported, not of %d", count)
	}
	address, err := m.addresses.next()
	if err != nil {
		return err
	}
	labels := maps.Clone(deployment.Spec.Template.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	labels[appsv1.DefaultDeploymentUniqueLabelKey] = template
	object := corev1.Pod{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: podKind.Kind},
		ObjectMeta: metav1.ObjectMeta{
			Namespace:       deployment.Namespace,
			Name:            deployment.Name + "-" + template + "-" + rand.String(5),
			Labels:          labels,
			Annotations:     deployment.Spec.Template.Annotations,
			OwnerReferences: ownedBy(deployment, appsv1.SchemeGroupVersion.WithKind(deploymentKind.Kind)),
		},
		Spec: deployment.Spec.Template.Spec,
	}
	object.Spec.NodeName = nodeName
	created, err := m.store.Create(encode(&object))
	if err != nil {
		return err
	}
	object.UID, object.CreationTimestamp = created.GetUID(), created.GetCreationTimestamp()
	m.mu.Lock()
	defer m.mu.Unlock()
	key := keyOf(podKind, &object)
	m.pods[key] = &pod{
		object:     object,
		key:        key,
		deployment: deployment.UID,
		template:   template,
		address:    address,
		directory:  filepath.Join(m.options.Directory, string(object.UID)),
	}
	return nil
}

// deletePods deletes the objects and forgets the Pods.
func (m *Manager) deletePods(pods []*pod) []*pod {
	for _, gone := range pods {
		_, err := m.store.Delete(gone.key)
		m.report("deleting pod "+gone.key.Name, err)
		m.forget(gone)
	}
	return pods
}

func (m *Manager) forget(gone *pod) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.pods, gone.key)
}

// sortedPods returns the Pods of a namespace by name.
func (m *Manager) sortedPods(namespace string) []*pod {
	var pods []*pod
	for key, running := range m.pods {
		if key.Namespace == namespace {
			pods = append(pods, running)
		}
	}
	slices.SortFunc(pods, func(a, b *pod) int { return cmp.Compare(a.key.Name, b.key.Name) })
	return pods
}

// hashOf returns a short name for a value, fit for names and labels.
func hashOf(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // Only for a value that is no API object.
	}
	hash := fnv.New32a()
	hash.Write(text)
	return rand.SafeEncodeString(fmt.Sprint(hash.Sum32()))
}
