// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"net/http"

	jsoniter "github.com/json-iterator/go"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

// Apps come as JSON, which apimachinery reads four times over, managedFields and all,
// and so they have a decoder of their own, that reads them once.
var decoder = jsoniter.Config{CaseSensitive: true}.Froze()

type codec struct{ runtime.NegotiatedSerializer }

func (c codec) DecoderToVersion(d runtime.Decoder, v runtime.GroupVersioner) runtime.Decoder {
	return appDecoder{c.NegotiatedSerializer.DecoderToVersion(d, v)}
}

type appDecoder struct{ runtime.Decoder }

func (d appDecoder) Decode(data []byte, defaults *schema.GroupVersionKind, into runtime.Object) (
	runtime.Object, *schema.GroupVersionKind, error) {
	kind := appResource.GroupVersion().WithKind("App")
	if list, ok := into.(*AppList); ok {
		return list, &kind, decoder.Unmarshal(data, list)
	}
	if into == nil && bytes.HasPrefix(data, []byte(`{"apiVersion":"keelson.dev/v1alpha1","kind":"App",`)) {
		app := new(App)
		return app, &kind, decoder.Unmarshal(data, app)
	}
	return d.Decoder.Decode(data, defaults, into)
}

func listApps(config *rest.Config, httpClient *http.Client, scheme *runtime.Scheme, namespace string) (*cache.ListWatch, error) {
	group := appResource.GroupVersion()
	config = rest.CopyConfig(config)
	config.APIPath, config.GroupVersion = "/apis", &group
	config.NegotiatedSerializer = codec{serializer.NewCodecFactory(scheme).WithoutConversion()}
	client, err := rest.RESTClientForConfigAndClient(config, httpClient)
	if err != nil {
		return nil, err
	}
	request := func(o *metav1.ListOptions) *rest.Request {
		return client.Get().Namespace(namespace).Resource(appResource.Resource).VersionedParams(o, runtime.NewParameterCodec(scheme))
	}
	return &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			list := new(AppList)
			return list, request(&o).Do(ctx).Into(list)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.Watch = true
			o.AllowWatchBookmarks = true
			return request(&o).Watch(ctx)
		},
	}, nil
}
