// SPDX-License-Identifier: Apache-2.0

// The job of Keelson's Apps on controller-runtime, to measure beside Keelson: see README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kuberuntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	coordination "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

type options struct {
	listen, namespace, leaseNamespace string
	workers, procs                    int
}

func main() {
	if len(os.Args) < 2 || os.Args[1] != "operator" {
		fmt.Fprintln(os.Stderr, "usage: peer operator --listen ADDR:PORT --namespace NS --lease-namespace NS")
		os.Exit(2)
	}
	var o options
	flags := flag.NewFlagSet("operator", flag.ExitOnError)
	flags.StringVar(&o.listen, "listen", ":8080", "where /readyz, /metrics and /debug/state are served")
	flags.StringVar(&o.namespace, "namespace", "default", "whose Apps to look after")
	flags.StringVar(&o.leaseNamespace, "lease-namespace", "default", "where the Lease is")
	flags.IntVar(&o.workers, "workers", 32, "Apps under way at a time")
	flags.IntVar(&o.procs, "procs", 1, "threads that run Go at a time")
	_ = flags.Parse(os.Args[2:])
	runtime.GOMAXPROCS(o.procs)
	// Streamed lists cost more than plain ones, and are later.
	_ = os.Setenv("KUBE_FEATURE_WatchListClient", "false")
	ctrl.SetLogger(logr.FromSlogHandler(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err := run(ctrl.SetupSignalHandler(), &o); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o *options) error {
	config, err := ctrl.GetConfig()
	if err != nil {
		return err
	}
	config.QPS = -1                  // the API server's own fairness is enough
	config.DisableCompression = true // of no use at so short a distance
	httpClient, err := rest.HTTPClientFor(config)
	if err != nil {
		return err
	}
	client, err := metadata.NewForConfigAndClient(config, httpClient)
	if err != nil {
		return err
	}
	r := &reconciler{client: client}
	r.bodies.New = func() any { b := make([]byte, 0, 4096); return &b }
	s := &server{reconciler: r}
	mgr, err := newManager(config, httpClient, o, s)
	if err != nil {
		return err
	}
	s.elected = mgr.Elected()
	c, err := controller.New("app", mgr, controller.Options{
		Reconciler:              r,
		MaxConcurrentReconciles: o.workers,
		NewQueue: func(name string, limiter workqueue.TypedRateLimiter[reconcile.Request]) queue {
			q := workqueue.NewTypedRateLimitingQueueWithConfig(limiter, workqueue.TypedRateLimitingQueueConfig[reconcile.Request]{})
			r.queue.Store(&q)
			return q
		},
	})
	if err != nil {
		return err
	}
	if err := s.watch(ctx, mgr.GetCache(), c); err != nil {
		return err
	}
	if err := mgr.Add(manager.RunnableFunc(r.sweep)); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", o.listen)
	if err != nil {
		return err
	}
	go func() { _ = http.Serve(listener, s.handler()) }()
	return mgr.Start(ctx)
}

func newManager(config *rest.Config, httpClient *http.Client, o *options, s *server) (ctrl.Manager, error) {
	group := appResource.GroupVersion()
	scheme := kuberuntime.NewScheme()
	scheme.AddKnownTypes(group, &App{}, &AppList{})
	metav1.AddToGroupVersion(scheme, group)
	if err := appsv1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	var err error
	if s.appSource, err = listApps(config, httpClient, scheme, o.namespace); err != nil {
		return nil, err
	}
	protobuf := rest.CopyConfig(config)
	protobuf.ContentType = kuberuntime.ContentTypeProtobuf
	leases, err := coordination.NewForConfigAndClient(protobuf, httpClient)
	if err != nil {
		return nil, err
	}
	host, _ := os.Hostname()
	duration := func(d time.Duration) *time.Duration { return &d }
	return ctrl.NewManager(config, ctrl.Options{
		Scheme:         scheme,
		MapperProvider: mapper,
		Metrics:        metricsserver.Options{BindAddress: "0"},
		Cache: cache.Options{
			DefaultNamespaces: map[string]cache.Config{o.namespace: {}},
			DefaultTransform:  reduce,
			NewInformer:       s.newInformer,
		},
		NewCache: func(config *rest.Config, o cache.Options) (cache.Cache, error) {
			inner, err := cache.New(config, o)
			return eager{inner, s}, err
		},
		LeaderElection: true,
		// One of our own, since the manager's writes Events.
		LeaderElectionResourceLockInterface: &resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Namespace: o.leaseNamespace, Name: "keelson-peer"},
			Client:     leases,
			LockConfig: resourcelock.ResourceLockConfig{Identity: fmt.Sprintf("%s_%d", host, os.Getpid())},
		},
		LeaderElectionReleaseOnCancel: true,
		LeaseDuration:                 duration(15 * time.Second),
		RenewDeadline:                 duration(10 * time.Second),
		RetryPeriod:                   duration(2 * time.Second),
	})
}

// mapper knows what there is, and so asks nobody.
func mapper(*rest.Config, *http.Client) (meta.RESTMapper, error) {
	m := meta.NewDefaultRESTMapper(nil)
	for i := range kinds {
		m.AddSpecific(kinds[i].GroupVersion().WithKind(kinds[i].name), kinds[i].GroupVersionResource,
			kinds[i].GroupVersionResource, meta.RESTScopeNamespace)
	}
	m.AddSpecific(appResource.GroupVersion().WithKind("App"), appResource, appResource, meta.RESTScopeNamespace)
	return m, nil
}

// eager is the cache, but has its sync known at once. It is looked for every tenth of
// a second otherwise, which would be most of the time that a restart takes.
type eager struct {
	cache.Cache
	server *server
}

func (e eager) WaitForCacheSync(ctx context.Context) bool {
	for _, informer := range e.server.informers {
		select {
		case <-informer.HasSyncedChecker().Done():
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// --- the watches, and what is told of them ----------------------------------------------

type server struct {
	reconciler *reconciler
	elected    <-chan struct{}
	informers  [len(kinds) + 1]toolscache.SharedIndexInformer
	appSource  *toolscache.ListWatch
	made       toolscache.SharedIndexInformer // last
	counts     [len(kinds) + 1]atomic.Int64
}

const apps = len(kinds) // their place in server's arrays

func (s *server) watch(ctx context.Context, from cache.Cache, c controller.Controller) error {
	for i := range s.informers {
		if _, err := from.GetInformer(ctx, watched(i), cache.BlockUntilSynced(false)); err != nil {
			return err
		}
		informer := s.made
		s.informers[i] = informer
		if i == apps {
			s.reconciler.apps = informer.GetStore()
		} else {
			s.reconciler.stores[i] = informer.GetStore()
		}
		handle := func(_ context.Context, q queue) error {
			handler := s.reconciler.onApp(q, &s.counts[apps])
			if i != apps {
				handler = s.reconciler.onChild(q, i, &s.counts[i])
			}
			_, err := informer.AddEventHandler(handler)
			return err
		}
		if err := c.Watch(source.Func(handle)); err != nil {
			return err
		}
	}
	return nil
}

// watched is an object of the type by which the kind is watched: of all but the
// Deployment the metadata is enough.
func watched(i int) client.Object {
	switch i {
	case apps:
		return &App{}
	case deploymentKind:
		return &appsv1.Deployment{}
	}
	o := &metav1.PartialObjectMetadata{}
	o.SetGroupVersionKind(schema.GroupVersionKind{Group: kinds[i].Group, Version: kinds[i].Version, Kind: kinds[i].name})
	return o
}

// newInformer makes those of the cache, without the index by namespace that nobody asks.
func (s *server) newInformer(of toolscache.ListerWatcher, example kuberuntime.Object, resync time.Duration,
	_ toolscache.Indexers) toolscache.SharedIndexInformer {
	if _, ok := example.(*App); ok {
		of = s.appSource
	}
	s.made = toolscache.NewSharedIndexInformer(of, example, resync, toolscache.Indexers{})
	return s.made
}

func (s *server) synced() bool {
	for _, informer := range s.informers {
		if !informer.HasSynced() {
			return false
		}
	}
	return true
}

func (s *server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(ctrlmetrics.Registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !s.synced() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("/debug/state", s.state)
	return mux
}

func (s *server) state(w http.ResponseWriter, _ *http.Request) {
	leading := false
	select {
	case <-s.elected:
		leading = true
	default:
	}
	fmt.Fprintf(w, `{"reconciling":%t,"queue":{"ready":%d,"active":%d},"cache":{"App":{"objects":%d,"bytes":0}`,
		leading, s.reconciler.ready(), s.reconciler.active.Load(), s.counts[apps].Load())
	for i := range kinds {
		fmt.Fprintf(w, `,"%s":{"objects":%d,"bytes":0}`, kinds[i].name, s.counts[i].Load())
	}
	fmt.Fprint(w, "}}")
}
