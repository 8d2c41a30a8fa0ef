package workloads

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// isReady tells whether the Pod answers on all of its ports.
func (p *pod) isReady() bool {
	return p.task != nil && isClosed(p.task.ready) && !isClosed(p.task.done)
}

// writeStatus writes the Pod's status if it has changed.
func (m *Manager) writeStatus(p *pod) {
	status := p.status()
	if p.written != nil && equality.Semantic.DeepEqual(*p.written, status) {
		return
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&status)
	if err == nil {
		err = m.store.UpdateStatus(p.key, p.object.UID, content)
	}
	if err != nil {
		m.report("status of pod "+p.key.Name, err)
		return
	}
	p.written = &status
}

func (p *pod) status() corev1.PodStatus {
	status := corev1.PodStatus{
		Phase:     corev1.PodPending,
		HostIP:    "127.0.0.1",
		PodIP:     p.address.String(),
		PodIPs:    []corev1.PodIP{{IP: p.address.String()}},
		StartTime: &p.object.CreationTimestamp,
	}
	container := corev1.ContainerStatus{
		Name:         p.container().Name,
		Image:        p.container().Image,
		RestartCount: p.restarts,
		Ready:        p.isReady(),
	}
	if p.task != nil {
		status.Phase = corev1.PodRunning
		container.State.Running = &corev1.ContainerStateRunning{}
	} else {
		container.State.Waiting = &corev1.ContainerStateWaiting{Reason: "ContainerCreating", Message: p.problem}
	}
	status.ContainerStatuses = []corev1.ContainerStatus{container}
	for _, condition := range []corev1.PodConditionType{corev1.PodScheduled, corev1.PodInitialized} {
		status.Conditions = append(status.Conditions, p.condition(condition, true))
	}
	for _, condition := range []corev1.PodConditionType{corev1.ContainersReady, corev1.PodReady} {
		status.Conditions = append(status.Conditions, p.condition(condition, p.isReady()))
	}
	return status
}

// condition returns a condition whose time of transition is taken from the last status if it has not
// changed since.
func (p *pod) condition(kind corev1.PodConditionType, holds bool) corev1.PodCondition {
	condition := corev1.PodCondition{Type: kind, Status: corev1.ConditionFalse, LastTransitionTime: metav1.Now().Rfc3339Copy()}
	if holds {
		condition.Status = corev1.ConditionTrue
	}
	if p.written != nil {
		for _, before := range p.written.Conditions {
			if before.Type == kind && before.Status == condition.Status {
				return before
			}
		}
	}
	return condition
}
