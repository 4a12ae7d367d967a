// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

var appResource = schema.GroupVersionResource{Group: "keelson.dev", Version: "v1alpha1", Resource: "apps"}

// For so long the reply to a write is believed while the watch has not brought it.
const echoTimeout = 15 * time.Second

// record is what is remembered of an App beside the caches.
type record struct {
	sync.Mutex
	generation int64
	uid        types.UID
	children   [len(kinds)]struct {
		hash             uint64 // of what is to be applied
		fields           int
		written, deleted version
	}
	status     version // last written
	hash       uint64
	conditions conditions
	at         time.Time // of the last write
}

type reconciler struct {
	stores  [len(kinds)]cache.Store
	apps    cache.Store
	client  metadata.Interface
	records sync.Map // types.NamespacedName to *record
	unseen  sync.Map // types.NamespacedName of Apps that were lately written for
	queue   atomic.Pointer[queue]
	active  atomic.Int64
	bodies  sync.Pool
	first   sync.Once
}

func (r *reconciler) ready() int {
	if q := r.queue.Load(); q != nil {
		return (*q).Len()
	}
	return 0
}

// end of a reconcile. After the first look at all Apps, what the lists needed until
// they were reduced is given back: two thirds of all memory.
func (r *reconciler) end() {
	if r.active.Add(-1) == 0 && r.ready() == 0 {
		r.first.Do(func() { go debug.FreeOSMemory() })
	}
}

func (r *reconciler) record(key types.NamespacedName) *record {
	if held, ok := r.records.Load(key); ok {
		return held.(*record)
	}
	held, _ := r.records.LoadOrStore(key, new(record))
	return held.(*record)
}

func (r *reconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	r.active.Add(1)
	defer r.end()
	key := request.String()
	held, found, _ := r.apps.GetByKey(key)
	if !found {
		r.records.Delete(request.NamespacedName)
		return reconcile.Result{}, nil // the garbage collector removes the children
	}
	app := held.(*App)
	if app.Deletion != nil {
		return reconcile.Result{}, nil
	}
	rec := r.record(request.NamespacedName)
	body := r.bodies.Get().(*[]byte)
	defer r.bodies.Put(body)
	r.plan(rec, app, body)

	var progress rollout
	for i := range kinds {
		live, _, _ := r.stores[i].GetByKey(key)
		have, _ := live.(*child)
		state := rec.judge(i, have)
		if state == drifted {
			if err := r.apply(ctx, rec, app, i, body); err != nil {
				return reconcile.Result{}, err
			}
		}
		if i == deploymentKind && have != nil {
			progress = *have.rollout
			if state != asWanted {
				progress.observed = 0 // it is of before
			}
		}
	}
	return reconcile.Result{}, r.report(ctx, rec, app, &progress, body)
}

// sweep looks again at those Apps of which a write has not come back by the watch,
// as after a list that came in between.
func (r *reconciler) sweep(ctx context.Context) error {
	for ticker := time.NewTicker(echoTimeout); ; {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		r.unseen.Range(func(key, _ any) bool {
			name := key.(types.NamespacedName)
			r.unseen.Delete(name)
			switch rec := r.record(name); {
			case rec.age() < echoTimeout:
				r.unseen.Store(name, true)
			case r.awaits(rec, name.String()):
				(*r.queue.Load()).Add(reconcile.Request{NamespacedName: name})
			}
			return true
		})
	}
}

func (rec *record) age() time.Duration {
	rec.Lock()
	defer rec.Unlock()
	return time.Since(rec.at)
}

func (r *reconciler) awaits(rec *record, key string) bool {
	rec.Lock()
	defer rec.Unlock()
	for i := range rec.children {
		live, _, _ := r.stores[i].GetByKey(key)
		have, _ := live.(*child)
		c := &rec.children[i]
		if c.written > c.deleted && (have == nil || have.Version < c.written) {
			return true
		}
	}
	live, found, _ := r.apps.GetByKey(key)
	return found && live.(*App).Version < rec.status
}

// plan renders once for each generation what is to be, and keeps its hashes.
func (r *reconciler) plan(rec *record, app *App, body *[]byte) {
	if rec.generation == app.Generation && rec.uid == app.UID {
		return
	}
	rec.Lock()
	defer rec.Unlock()
	rec.generation, rec.uid = app.Generation, app.UID
	for i := range kinds {
		*body, rec.children[i].hash, rec.children[i].fields = kinds[i].body((*body)[:0], app)
	}
}

type verdict int

const (
	asWanted verdict = iota
	underWay         // written, and not yet seen
	drifted
)

func (rec *record) judge(i int, have *child) verdict {
	rec.Lock()
	defer rec.Unlock()
	c := &rec.children[i]
	switch {
	case have != nil && have.Version >= c.written:
		if have.applied == c.hash && have.fields == c.fields {
			return asWanted
		}
		return drifted
	case c.written > c.deleted && time.Since(rec.at) < echoTimeout:
		return underWay
	}
	return drifted
}

func (r *reconciler) apply(ctx context.Context, rec *record, app *App, i int, body *[]byte) error {
	force := true
	*body, _, _ = kinds[i].body((*body)[:0], app)
	reply, err := r.client.Resource(kinds[i].GroupVersionResource).Namespace(app.Namespace).Patch(ctx, app.Name,
		types.ApplyPatchType, *body, metav1.PatchOptions{FieldManager: fieldOwner, Force: &force})
	if err != nil {
		return err
	}
	rec.Lock()
	defer rec.Unlock()
	// Another server may count otherwise, so its count is what later ones are held to.
	rec.children[i].fields = ownFields(&reply.ObjectMeta)
	rec.children[i].written = versionOf(reply.ResourceVersion)
	rec.at = time.Now()
	r.unseen.Store(types.NamespacedName{Namespace: app.Namespace, Name: app.Name}, true)
	return nil
}

func (r *reconciler) report(ctx context.Context, rec *record, app *App, progress *rollout, body *[]byte) error {
	hash, before := app.Status.hash, app.Status.conditions
	if app.Version < rec.status {
		hash, before = rec.hash, rec.conditions
	}
	b := append((*body)[:0], `{"status":`...)
	b, want, after := status(b, app, progress, before, time.Now().Unix())
	*body = b
	if want == hash {
		return nil
	}
	*body = append(b, `,"apiVersion":"keelson.dev/v1alpha1","kind":"App","metadata":{"name":"`+app.Name+`"}}`...)
	force := true
	reply, err := r.client.Resource(appResource).Namespace(app.Namespace).Patch(ctx, app.Name,
		types.ApplyPatchType, *body, metav1.PatchOptions{FieldManager: fieldOwner, Force: &force}, "status")
	if err != nil {
		return err
	}
	rec.Lock()
	defer rec.Unlock()
	rec.status, rec.hash, rec.conditions = versionOf(reply.ResourceVersion), want, after
	rec.at = time.Now()
	r.unseen.Store(types.NamespacedName{Namespace: app.Namespace, Name: app.Name}, true)
	return nil
}

// --- what the watches bring -----------------------------------------------------------

type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

func request(namespace, name string) reconcile.Request {
	return reconcile.Request{NamespacedName: types.NamespacedName{Namespace: namespace, Name: name}}
}

// onApp follows the Apps; of its own writing it has the reply already.
func (r *reconciler) onApp(q queue, count *atomic.Int64) cache.ResourceEventHandler {
	return cache.ResourceEventHandlerFuncs{
		AddFunc: func(o any) {
			app := o.(*App)
			q.Add(request(app.Namespace, app.Name))
			count.Add(1)
		},
		UpdateFunc: func(_, o any) {
			app := o.(*App)
			key := request(app.Namespace, app.Name)
			if rec := r.record(key.NamespacedName); !rec.wrote(&rec.status, app.Version) {
				q.Add(key)
			}
		},
		DeleteFunc: func(o any) {
			if gone, ok := o.(cache.DeletedFinalStateUnknown); ok {
				o = gone.Obj
			}
			app := o.(*App)
			q.Add(request(app.Namespace, app.Name))
			count.Add(-1)
		},
	}
}

func (rec *record) wrote(last *version, seen version) bool {
	rec.Lock()
	defer rec.Unlock()
	return *last == seen
}

// onChild tells the App whose child it is what is not news to it.
func (r *reconciler) onChild(q queue, i int, count *atomic.Int64) cache.ResourceEventHandler {
	return cache.ResourceEventHandlerDetailedFuncs{
		AddFunc: func(o any, initial bool) {
			c := o.(*child)
			defer count.Add(1)
			if initial || c.owner == "" {
				return // the App itself is looked at
			}
			key := request(c.Namespace, c.owner)
			if rec := r.record(key.NamespacedName); !rec.wrote(&rec.children[i].written, c.Version) {
				q.Add(key)
			}
		},
		UpdateFunc: func(old, o any) {
			before, c := old.(*child), o.(*child)
			key := request(c.Namespace, c.owner)
			if before.owner != "" && before.owner != c.owner {
				key = request(c.Namespace, before.owner)
			}
			if before.same(c) || key.Name == "" {
				return
			}
			if rec := r.record(key.NamespacedName); !rec.wrote(&rec.children[i].written, c.Version) {
				q.Add(key)
			}
		},
		DeleteFunc: func(o any) {
			if gone, ok := o.(cache.DeletedFinalStateUnknown); ok {
				o = gone.Obj
			}
			c := o.(*child)
			count.Add(-1)
			if c.owner == "" {
				return
			}
			key := request(c.Namespace, c.owner)
			rec := r.record(key.NamespacedName)
			rec.Lock()
			rec.children[i].deleted = c.Version
			rec.Unlock()
			q.Add(key)
		},
	}
}
