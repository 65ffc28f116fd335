//go:build tools

// Package tools names the parts of a Kubernetes cluster that the tests run: what keeps objects, and what admits them.
package tools

import (
	_ "go.etcd.io/etcd/server/v3"
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
	_ "k8s.io/kubernetes/cmd/kubectl"
)
