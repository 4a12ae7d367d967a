// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/cespare/xxhash/v2"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

const (
	fieldOwner = "keelson-peer"
	annotation = "keelson.dev/applied"
	hashDigits = 16
)

// kind is one of the seven that an App has a child of.
type kind struct {
	schema.GroupVersionResource
	name string
	// render writes what comes after the metadata, and returns how many fields will
	// be ours of it by managedFields: leaves, and one for each item of a keyed list.
	render func(b []byte, app *App) ([]byte, int)
}

// In the order in which they are written.
var kinds = [...]kind{
	{schema.GroupVersionResource{Version: "v1", Resource: "serviceaccounts"}, "ServiceAccount", serviceAccount},
	{schema.GroupVersionResource{Group: "networking.k8s.io", Version: "v1", Resource: "networkpolicies"}, "NetworkPolicy", networkPolicy},
	{schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}, "Deployment", deployment},
	{schema.GroupVersionResource{Group: "policy", Version: "v1", Resource: "poddisruptionbudgets"}, "PodDisruptionBudget", budget},
	{schema.GroupVersionResource{Version: "v1", Resource: "services"}, "Service", service},
	{schema.GroupVersionResource{Group: "autoscaling", Version: "v2", Resource: "horizontalpodautoscalers"}, "HorizontalPodAutoscaler", autoscaler},
	{schema.GroupVersionResource{Group: "networking.k8s.io", Version: "v1", Resource: "ingresses"}, "Ingress", ingress},
}

const deploymentKind = 2

// body appends the child's manifest, with a hash of it inside. MetaFields are the
// five labels, the annotation and the owner.
func (k *kind) body(b []byte, app *App) ([]byte, uint64, int) {
	const metaFields = 7
	start := len(b)
	b = append(b, `{"metadata":{"annotations":{"`+annotation+`":"`...)
	at := len(b)
	b = fmt.Appendf(b, `0000000000000000"},"name":"%[1]s","namespace":"%[2]s","labels":%[3]s,"ownerReferences":[{`+
		`"apiVersion":"keelson.dev/v1alpha1","kind":"App","name":"%[1]s","uid":"%[4]s","controller":true,`+
		`"blockOwnerDeletion":true}]},"kind":"%[5]s","apiVersion":"%[6]s",`,
		app.Name, app.Namespace, labels(app), app.UID, k.name, k.GroupVersion())
	b, fields := k.render(b, app)
	b = append(b, '}')
	hash := xxhash.Sum64(b[start:])
	copy(b[at:], fmt.Sprintf("%0*x", hashDigits, hash))
	return b, hash, fields + metaFields
}

func labels(app *App) string {
	return `{"app.kubernetes.io/name":"app","app.kubernetes.io/instance":"` + app.Name +
		`","app.kubernetes.io/component":"app","app.kubernetes.io/part-of":"` + app.Name +
		`","app.kubernetes.io/managed-by":"keelson"}`
}

func selector(name string) string {
	return `{"matchLabels":{"app.kubernetes.io/name":"app","app.kubernetes.io/instance":"` + name + `"}}`
}

// quote is for what a user wrote; names need none.
func quote(v any) string {
	text, _ := json.Marshal(v)
	return string(text)
}

func serviceAccount(b []byte, _ *App) ([]byte, int) {
	return append(b, `"automountServiceAccountToken":false`...), 1
}

func budget(b []byte, app *App) ([]byte, int) {
	return append(b, `"spec":{"maxUnavailable":1,"unhealthyPodEvictionPolicy":"AlwaysAllow","selector":`+
		selector(app.Name)+`}`...), 3
}

func service(b []byte, app *App) ([]byte, int) {
	return fmt.Appendf(b, `"spec":{"type":"ClusterIP","selector":{"app.kubernetes.io/name":"app",`+
		`"app.kubernetes.io/instance":"%s"},"ports":[{"name":"http","port":%d,"targetPort":"http","protocol":"TCP"}]}`,
		app.Name, app.Spec.Port), 7
}

func networkPolicy(b []byte, app *App) ([]byte, int) {
	b = append(b, `"spec":{"podSelector":`+selector(app.Name)+`,"policyTypes":["Ingress","Egress"],"ingress":[{"from":[`...)
	for _, from := range app.Spec.Access.From {
		b = append(b, `{"podSelector":`+selector(from.App)+`},`...)
	}
	return append(b, `{"namespaceSelector":{}}],"ports":[{"protocol":"TCP","port":"http"}]}],"egress":[{"to":[`+
		`{"namespaceSelector":{}},{"ipBlock":{"cidr":"10.0.0.0/8"}},{"ipBlock":{"cidr":"100.64.0.0/10"}},`+
		`{"ipBlock":{"cidr":"169.254.0.0/16"}},{"ipBlock":{"cidr":"172.16.0.0/12"}},{"ipBlock":{"cidr":"192.168.0.0/16"}},`+
		`{"ipBlock":{"cidr":"fc00::/7"}},{"ipBlock":{"cidr":"fe80::/10"}}],`+
		`"ports":[{"protocol":"UDP","port":53},{"protocol":"TCP","port":53}]}]}`...), 4
}

func autoscaler(b []byte, app *App) ([]byte, int) {
	scaling := app.Spec.Autoscaling
	return fmt.Appendf(b, `"spec":{"scaleTargetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"%s"},`+
		`"minReplicas":%d,"maxReplicas":%d,"metrics":[{"type":"Resource","resource":{"name":"cpu","target":`+
		`{"type":"Utilization","averageUtilization":%d}}}],"behavior":{"scaleDown":{"stabilizationWindowSeconds":300}}}`,
		app.Name, scaling.MinReplicas, scaling.MaxReplicas, scaling.TargetCPU), 7
}

func ingress(b []byte, app *App) ([]byte, int) {
	b = append(b, `"spec":{"rules":[`...)
	for i, host := range app.Spec.Hosts {
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, `{"host":%s,"http":{"paths":[{"path":"/","pathType":"Prefix","backend":{"service":`+
			`{"name":"%s","port":{"name":"http"}}}}]}}`, quote(host), app.Name)
	}
	return append(b, "]}"...), 1
}

func deployment(b []byte, app *App) ([]byte, int) {
	spec := &app.Spec
	live, ready := quote(spec.HealthCheck.LivePath), quote(spec.HealthCheck.ReadyPath)
	b = fmt.Appendf(b, `"spec":{"replicas":%[1]d,"revisionHistoryLimit":10,"progressDeadlineSeconds":600,"selector":%[2]s,`+
		`"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxSurge":"25%%","maxUnavailable":0}},`+
		`"template":{"metadata":{"labels":%[3]s},"spec":{"serviceAccountName":"%[4]s","automountServiceAccountToken":false,`+
		`"enableServiceLinks":false,"terminationGracePeriodSeconds":40,"securityContext":{"runAsNonRoot":true,"runAsUser":1001,`+
		`"runAsGroup":1001,"fsGroup":1001,"seccompProfile":{"type":"RuntimeDefault"}},"topologySpreadConstraints":[{"maxSkew":1,`+
		`"topologyKey":"kubernetes.io/hostname","whenUnsatisfiable":"ScheduleAnyway","labelSelector":%[2]s}],`+
		`"containers":[{"name":"app","image":%[5]s,"ports":[{"name":"http","containerPort":%[6]d,"protocol":"TCP"}],"env":[`,
		spec.replicas(), selector(app.Name), labels(app), app.Name, quote(spec.Image), spec.Port)
	for i, env := range spec.Env {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"name":`+quote(env.Name)+`,"value":`+quote(env.Value)+`}`...)
	}
	b = fmt.Appendf(b, `],"resources":{"requests":%[1]s,"limits":%[2]s},"securityContext":{"allowPrivilegeEscalation":false,`+
		`"readOnlyRootFilesystem":true,"capabilities":{"drop":["ALL"]}},"lifecycle":{"preStop":{"sleep":{"seconds":5}}},`+
		`"startupProbe":{"httpGet":{"path":%[3]s,"port":"http"},"periodSeconds":1,"timeoutSeconds":2,"failureThreshold":%[5]d},`+
		`"livenessProbe":{"httpGet":{"path":%[3]s,"port":"http"},"periodSeconds":10,"timeoutSeconds":2,"failureThreshold":3},`+
		`"readinessProbe":{"httpGet":{"path":%[4]s,"port":"http"},"periodSeconds":2,"timeoutSeconds":2,"failureThreshold":2},`+
		`"volumeMounts":[{"name":"tmp","mountPath":"/tmp"}]}],"volumes":[{"name":"tmp","emptyDir":{}}]}}}`,
		object(spec.Resources.Requests), object(spec.Resources.Limits), live, ready, spec.HealthCheck.startup())
	const itself, perEnv = 58, 3
	return b, itself + perEnv*len(spec.Env) + len(spec.Resources.Requests) + len(spec.Resources.Limits)
}

func object(quantities Quantities) []byte {
	b := []byte{'{'}
	for i, q := range quantities {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, quote(q.Name)+":"+quote(q.Value)...)
	}
	return append(b, '}')
}

func (s *AppSpec) replicas() int32 {
	if s.Autoscaling.MaxReplicas > 0 {
		return s.Autoscaling.MinReplicas
	}
	return s.Replicas
}

func (h *HealthCheck) startup() int {
	d, err := time.ParseDuration(h.StartupTimeout)
	if err != nil {
		return 30
	}
	return int(d / time.Second)
}

// --- the App's status -------------------------------------------------------------

// In the order in which the status has them.
var conditionTypes = [...]string{"Ready", "Available", "Progressing", "Reconciling", "Stalled"}

type condition struct {
	since int64 // seconds, 0: never written
	true  bool
}

type conditions [len(conditionTypes)]condition

// status appends the status with keys in the order in which the API server writes
// them, so that its hash can be compared with that of what was read. BEFORE tells
// since when what is unchanged has been so.
func status(b []byte, app *App, d *rollout, before conditions, now int64) ([]byte, uint64, conditions) {
	want := app.Spec.replicas()
	seen := d.observed >= d.generation && d.generation > 0
	done := seen && d.updated >= want && d.replicas == d.updated && d.available >= want
	reason, message := "RolloutInProgress", "waiting for the Deployment controller to see the change"
	switch {
	case done:
		reason, message = "Ready", fmt.Sprintf("%d of %d replicas are ready", d.ready, want)
	case seen:
		message = fmt.Sprintf("%d of %d replicas are updated, %d are available", d.updated, want, d.available)
	}
	available, none := "MinimumReplicasUnavailable", "no replica is available yet"
	if d.available > 0 {
		available, none = "MinimumReplicasAvailable", "Deployment has minimum availability."
	}
	is := [len(conditionTypes)]struct {
		true            bool
		reason, message string
	}{
		{done, reason, message}, {d.available > 0, available, none}, {!done, reason, message},
		{!done, reason, message}, {false, "AsExpected", ""},
	}
	after := before
	start := len(b)
	b = append(b, `{"conditions":[`...)
	for i, c := range is {
		if before[i].since == 0 || before[i].true != c.true {
			after[i] = condition{since: now, true: c.true}
		}
		value := "False"
		if c.true {
			value = "True"
		}
		b = append(b, `{"lastTransitionTime":"`...)
		b = time.Unix(after[i].since, 0).UTC().AppendFormat(b, time.RFC3339)
		b = append(b, `","message":"`+c.message+`","observedGeneration":`...)
		b = strconv.AppendInt(b, app.Generation, 10)
		b = append(b, `,"reason":"`+c.reason+`","status":"`+value+`","type":"`+conditionTypes[i]+`"},`...)
	}
	b = fmt.Appendf(b[:len(b)-1], `],"config":[],"copies":[],"desiredReplicas":%d,"effective":[%s],`, want, effective(&app.Spec))
	if done {
		b = append(b, `"image":`+quote(app.Spec.Image)+`,`...)
	}
	b = fmt.Appendf(b, `"observedGeneration":%d,"profile":"development/backend","readyReplicas":%d,"replicas":%d,`+
		`"routing":{"enforced":["hosts"],"kind":"Ingress","notEnforced":[{"reason":"the Environment names no certificateIssuer",`+
		`"setting":"tls"}]},"selector":"app.kubernetes.io/name=app,app.kubernetes.io/instance=%s","updatedReplicas":%d,`+
		`"url":"http://%s.%s.svc:%d"}`,
		app.Generation, d.ready, d.replicas, app.Name, d.updated, app.Name, app.Namespace, app.Spec.Port)
	return b, xxhash.Sum64(b[start:]), after
}

func effective(spec *AppSpec) []byte {
	var b []byte
	add := func(setting, value, from string) {
		b = append(b, `{"from":"`+from+`","setting":"`+setting+`","value":`+quote(value)+`},`...)
	}
	if scaling := spec.Autoscaling; scaling.MaxReplicas > 0 {
		add("autoscaling.minReplicas", strconv.Itoa(int(scaling.MinReplicas)), "App")
		add("autoscaling.maxReplicas", strconv.Itoa(int(scaling.MaxReplicas)), "App")
		add("autoscaling.targetCPUUtilization", strconv.Itoa(int(scaling.TargetCPU)), "App")
		add("autoscaling.scaleDownCooldown", "5m", "BuiltIn")
	}
	for _, q := range spec.Resources.Requests {
		add("resources.requests."+q.Name, q.Value, "App")
	}
	for _, q := range spec.Resources.Limits {
		add("resources.limits."+q.Name, q.Value, "App")
	}
	if len(b) == 0 {
		return b
	}
	return b[:len(b)-1]
}
