// SPDX-License-Identifier: Apache-2.0
//
// The resource definitions of the Gateway API. No program is built of it.

module keelson.example/cluster/gateway-api

go 1.26.4

require sigs.k8s.io/gateway-api v1.4.1
