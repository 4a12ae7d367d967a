// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"strconv"
	"time"
	"unique"

	"github.com/cespare/xxhash/v2"
	jsoniter "github.com/json-iterator/go"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// ident is what the cache keeps of an object's metadata: a tenth of an ObjectMeta.
type ident struct {
	metav1.Object `json:"-"` // nil: nobody asks for more than is below
	Name          string     `json:"name"`
	Namespace     string     `json:"namespace"`
	Version       version    `json:"resourceVersion"`
}

// version is a resourceVersion. They can be compared since Kubernetes 1.35 says so.
type version uint64

func (v *version) UnmarshalText(b []byte) (err error) {
	*(*uint64)(v), err = strconv.ParseUint(string(b), 10, 64)
	return err
}

func versionOf(text string) (v version) {
	_ = v.UnmarshalText([]byte(text))
	return v
}

func (m *ident) GetName() string            { return m.Name }
func (m *ident) GetNamespace() string       { return m.Namespace }
func (m *ident) GetResourceVersion() string { return strconv.FormatUint(uint64(m.Version), 10) }

// GetAnnotations is asked of a bookmark: whether the initial list has ended.
func (m *ident) GetAnnotations() map[string]string { return nil }

// child is all that is kept of one of ours: who owns it, what was applied, how much
// of that still is as we applied it, and of a Deployment how its rollout goes.
type child struct {
	ident
	owner   string
	applied uint64
	fields  int // of managedFields, that are ours
	rollout *rollout
}

type rollout struct {
	generation, observed                int64
	replicas, updated, ready, available int32
}

func (c *child) GetObjectKind() schema.ObjectKind { return schema.EmptyObjectKind }
func (c *child) DeepCopyObject() runtime.Object   { copied := *c; return &copied }

// same says whether nothing has changed that a reconcile would look at.
func (c *child) same(o *child) bool {
	return c.owner == o.owner && c.applied == o.applied && c.fields == o.fields &&
		(c.rollout == o.rollout || c.rollout != nil && o.rollout != nil && *c.rollout == *o.rollout)
}

// reduce is the cache's transform: what is decoded becomes what is kept.
func reduce(in any) (any, error) {
	switch o := in.(type) {
	case *metav1.PartialObjectMetadata:
		return newChild(&o.ObjectMeta), nil
	case *appsv1.Deployment:
		c := newChild(&o.ObjectMeta)
		c.rollout = &rollout{
			generation: o.Generation, observed: o.Status.ObservedGeneration, replicas: o.Status.Replicas,
			updated: o.Status.UpdatedReplicas, ready: o.Status.ReadyReplicas, available: o.Status.AvailableReplicas,
		}
		return c, nil
	case *App:
		o.Kind, o.APIVersion = "", ""
		o.Namespace = unique.Make(o.Namespace).Value()
	}
	return in, nil
}

func newChild(o *metav1.ObjectMeta) *child {
	c := &child{ident: ident{Name: o.Name, Namespace: unique.Make(o.Namespace).Value(), Version: versionOf(o.ResourceVersion)}}
	for i := range o.OwnerReferences {
		if owner := &o.OwnerReferences[i]; owner.Controller != nil && *owner.Controller && owner.Kind == "App" {
			c.owner = owner.Name
		}
	}
	if c.owner == c.Name {
		c.owner = c.Name
	}
	c.applied, _ = strconv.ParseUint(o.Annotations[annotation], 16, 64)
	c.fields = ownFields(o)
	return c
}

// ownFields counts what we own. Whoever changes or removes a field that we applied
// takes it from us, so that fewer fields than we applied means drift, and as many
// means none; what the values are need not be known.
func ownFields(o *metav1.ObjectMeta) int {
	for i := range o.ManagedFields {
		entry := &o.ManagedFields[i]
		if entry.Manager == fieldOwner && entry.Operation == metav1.ManagedFieldsOperationApply && entry.Subresource == "" {
			return bytes.Count(entry.FieldsV1.GetRawBytes(), []byte("{}"))
		}
	}
	return 0
}

// App is the App with what of it is read.
type App struct {
	metav1.TypeMeta
	AppMeta `json:"metadata"`
	Spec    AppSpec   `json:"spec"`
	Status  AppStatus `json:"status"`
}

type AppMeta struct {
	ident
	UID        types.UID    `json:"uid"`
	Generation int64        `json:"generation"`
	Deletion   *metav1.Time `json:"deletionTimestamp"`
}

type AppSpec struct {
	Image       string      `json:"image"`
	Port        int32       `json:"port"`
	Replicas    int32       `json:"replicas"`
	Hosts       []string    `json:"hosts"`
	Env         []Variable  `json:"env"`
	Resources   Resources   `json:"resources"`
	HealthCheck HealthCheck `json:"healthCheck"`
	Autoscaling Autoscaling `json:"autoscaling"`
	Access      Access      `json:"access"`
}

type Variable struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type Resources struct {
	Requests Quantities `json:"requests"`
	Limits   Quantities `json:"limits"`
}

// Quantities are a map that does not need a map's memory; the API server sorts it.
type Quantities []Variable

func (q *Quantities) UnmarshalJSON(b []byte) error {
	held := decoder.BorrowIterator(b)
	defer decoder.ReturnIterator(held)
	held.ReadMapCB(func(at *jsoniter.Iterator, name string) bool {
		*q = append(*q, Variable{name, at.ReadString()})
		return true
	})
	return held.Error
}

type HealthCheck struct {
	LivePath       string `json:"livePath"`
	ReadyPath      string `json:"readyPath"`
	StartupTimeout string `json:"startupTimeout"`
}

type Autoscaling struct {
	MinReplicas int32 `json:"minReplicas"`
	MaxReplicas int32 `json:"maxReplicas"`
	TargetCPU   int32 `json:"targetCPUUtilization"`
}

type Access struct {
	From []struct {
		App string `json:"app"`
	} `json:"from"`
}

// AppStatus is a hash of it, and since when its conditions have been so.
type AppStatus struct {
	hash       uint64
	conditions conditions
}

// UnmarshalJSON relies on the API server's writing of what it keeps: compact, keys in
// order. Where that is not so the hash differs, and the status is written once more.
func (s *AppStatus) UnmarshalJSON(b []byte) error {
	s.hash = xxhash.Sum64(b)
	text := b
	for i := range s.conditions {
		since := cut(&text, `"lastTransitionTime":"`)
		value, name := cut(&text, `"status":"`), cut(&text, `"type":"`)
		if at, err := time.Parse(time.RFC3339, since); err == nil && name == conditionTypes[i] {
			s.conditions[i] = condition{since: at.Unix(), true: value == "True"}
		}
	}
	return nil
}

func cut(text *[]byte, before string) string {
	_, after, _ := bytes.Cut(*text, []byte(before))
	value, rest, _ := bytes.Cut(after, []byte(`"`))
	*text = rest
	return string(value)
}

func (a *App) DeepCopyObject() runtime.Object { copied := *a; return &copied }

type AppList struct {
	metav1.TypeMeta
	metav1.ListMeta `json:"metadata"`
	Items           []App `json:"items"`
}

func (l *AppList) DeepCopyObject() runtime.Object { copied := *l; return &copied }
