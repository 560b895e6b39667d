package kubernetes_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// outside are names that a cluster, or its administrator, has made.
var outside = []string{"Secret tale-tls"}

// checkReferences sees that whatever an object names is there: it walks all fields of all
// objects, and knows the API's types of references, not the places where they stand.
func checkReferences(t *testing.T, all manifests) {
	t.Helper()
	for _, o := range all {
		walk(reflect.ValueOf(o.value), func(at any, field string) {
			for _, missing := range all.missing(o, at, field) {
				if !slices.Contains(outside, missing) {
					t.Errorf("%s: %s is not there", o, missing)
				}
			}
		})
	}
}

// walk visits every struct below a value, with the name of the field that it is.
func walk(v reflect.Value, visit func(value any, field string)) { walkField(v, "", visit) }

func walkField(v reflect.Value, field string, visit func(any, string)) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			walkField(v.Elem(), field, visit)
		}
	case reflect.Slice:
		for i := range v.Len() {
			walkField(v.Index(i), field, visit)
		}
	case reflect.Struct:
		visit(v.Interface(), field)
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				walkField(v.Field(i), v.Type().Field(i).Name, visit)
			}
		}
	}
}

// missing returns what a value of an object names and no object is.
func (m manifests) missing(o object, value any, field string) []string {
	switch ref := value.(type) {
	case corev1.ConfigMapEnvSource:
		return m.lacks("ConfigMap", ref.Name)
	case corev1.ConfigMapKeySelector:
		return m.lacks("ConfigMap", ref.Name)
	case corev1.ConfigMapVolumeSource:
		return m.lacks("ConfigMap", ref.Name)
	case corev1.SecretEnvSource:
		return m.lacks("Secret", ref.Name)
	case corev1.SecretKeySelector:
		return m.lacks("Secret", ref.Name)
	case corev1.SecretVolumeSource:
		return m.lacks("Secret", ref.SecretName)
	case networkingv1.IngressTLS:
		return m.lacks("Secret", ref.SecretName)
	case corev1.PersistentVolumeClaimVolumeSource:
		return m.lacksClaim(ref.ClaimName)
	case autoscalingv2.CrossVersionObjectReference:
		return m.lacks(ref.Kind, ref.Name)
	case appsv1.StatefulSetSpec:
		return m.lacks("Service", ref.ServiceName)
	case corev1.VolumeMount:
		return lacksVolume(o, ref.Name)
	case networkingv1.IngressServiceBackend:
		return m.lacksServicePort(ref)
	case intstr.IntOrString:
		return m.lacksPort(o, ref)
	case metav1.LabelSelector:
		return m.lacksPods(o, &ref, field)
	case corev1.ServiceSpec:
		return m.lacksPods(o, metav1.SetAsLabelSelector(ref.Selector), field)
	}
	return nil
}

func (m manifests) lacks(kind, name string) []string {
	if slices.ContainsFunc(m, func(o object) bool { return o.kind == kind && o.GetName() == name }) {
		return nil
	}
	return []string{kind + " " + name}
}

// lacksClaim knows those that a StatefulSet makes for its first pod as well.
func (m manifests) lacksClaim(name string) []string {
	for _, o := range m {
		if set, ok := o.value.(*appsv1.StatefulSet); ok {
			for _, claim := range set.Spec.VolumeClaimTemplates {
				if name == claim.Name+"-"+set.Name+"-0" {
					return nil
				}
			}
		}
	}
	return m.lacks("PersistentVolumeClaim", name)
}

func lacksVolume(o object, name string) []string {
	found := slices.ContainsFunc(o.pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == name })
	if set, ok := o.value.(*appsv1.StatefulSet); ok {
		found = found || slices.ContainsFunc(set.Spec.VolumeClaimTemplates, func(c corev1.PersistentVolumeClaim) bool { return c.Name == name })
	}
	if found {
		return nil
	}
	return []string{"volume " + name}
}

func (m manifests) lacksServicePort(ref networkingv1.IngressServiceBackend) []string {
	for _, o := range m {
		if service, ok := o.value.(*corev1.Service); ok && o.GetName() == ref.Name {
			if slices.ContainsFunc(service.Spec.Ports, func(p corev1.ServicePort) bool { return p.Name == ref.Port.Name }) {
				return nil
			}
		}
	}
	return []string{"port " + ref.Port.Name + " of Service " + ref.Name}
}

// lacksPort looks for a named port in the pods that the object is about.
func (m manifests) lacksPort(o object, port intstr.IntOrString) []string {
	if port.Type != intstr.String || strings.HasSuffix(port.StrVal, "%") {
		return nil
	}
	about := m.pods()
	switch of := o.value.(type) {
	case *corev1.Service:
		about = m.chosen(labels.SelectorFromSet(of.Spec.Selector))
	default:
		if o.pod != nil {
			about = manifests{o}
		}
	}
	for _, pod := range about {
		for _, c := range pod.pod.Spec.Containers {
			if slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool { return p.Name == port.StrVal }) {
				return nil
			}
		}
	}
	return []string{"port " + port.StrVal}
}

func (m manifests) chosen(selector labels.Selector) (found manifests) {
	for _, o := range m.pods() {
		if selector.Matches(labels.Set(o.pod.Labels)) {
			found = append(found, o)
		}
	}
	return found
}

// lacksPods looks for the pods that a selector wants; peers of other namespaces are theirs.
func (m manifests) lacksPods(o object, selector *metav1.LabelSelector, field string) []string {
	if policy, ok := o.value.(*networkingv1.NetworkPolicy); (ok && policy.Name == "metrics") || field == "NamespaceSelector" || (o.kind == "Job" && field == "Selector") {
		return nil
	}
	s, err := metav1.LabelSelectorAsSelector(selector)
	if err == nil && len(m.chosen(s)) > 0 {
		return nil
	}
	return []string{fmt.Sprintf("a pod with %v (%v)", s, err)}
}
