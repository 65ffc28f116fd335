//go:build tools

// Package tools names the programs of Istio's that the tests run: its control plane, its node agent and its validator.
package tools

import (
	_ "istio.io/istio/istioctl/cmd/istioctl"
	_ "istio.io/istio/pilot/cmd/pilot-agent"
	_ "istio.io/istio/pilot/cmd/pilot-discovery"
)
