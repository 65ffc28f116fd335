// Package istio serves what Istio's control plane makes of the objects in a folder, over its own protocol: its
// generators and its discovery server, without a Kubernetes behind them.
package istio

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"istio.io/istio/pilot/pkg/config/kube/crd"
	"istio.io/istio/pilot/test/xds"
	"istio.io/istio/pkg/config/mesh"
)

// objects reads the folder's YAML: Kubernetes' own objects and Istio's.
func objects(t *testing.T, folder string) (kubernetes, istio string) {
	files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no objects in %s: %v", folder, err)
	}
	var core, mesh []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, document := range strings.Split("\n"+string(text), "\n---\n") {
			document = "\n" + strings.TrimSpace(document) + "\n"
			switch {
			case strings.TrimSpace(document) == "":
			case strings.Contains(document, "\napiVersion: v1\n"), strings.Contains(document, "\napiVersion: discovery.k8s.io/v1\n"):
				core = append(core, strings.TrimSpace(document))
			default:
				mesh = append(mesh, strings.TrimSpace(document))
			}
		}
	}
	return strings.Join(core, "\n---\n"), strings.Join(mesh, "\n---\n")
}

// TestServe serves until its standard input ends.
func TestServe(t *testing.T) {
	kubernetes, istio := objects(t, os.Getenv("PROCGATE_OBJECTS"))
	if _, unknown, err := crd.ParseInputs(istio); err != nil || len(unknown) > 0 {
		t.Fatalf("not Istio's objects: %v %v", unknown, err)
	}
	text, err := os.ReadFile(os.Getenv("PROCGATE_MESH"))
	if err != nil {
		t.Fatal(err)
	}
	config, err := mesh.ApplyMeshConfig(string(text), mesh.DefaultMeshConfig())
	if err != nil {
		t.Fatal(err)
	}
	xds.NewFakeDiscoveryServer(t, xds.FakeOptions{
		KubernetesObjectString: kubernetes,
		ConfigString:           istio,
		MeshConfig:             config,
		ListenerBuilder: func() (net.Listener, error) {
			return net.Listen("tcp", os.Getenv("PROCGATE_DISCOVERY"))
		},
	})
	select {}
}
