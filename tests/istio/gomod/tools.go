//go:build tools

// Package istio names what `make test-istio` builds of Istio, at the version in go.mod.
package istio

import (
	_ "istio.io/istio/pilot/cmd/pilot-discovery"
)
