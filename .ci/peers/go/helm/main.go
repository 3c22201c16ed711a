// Command helm judges a chart by Helm's own libraries and by the types of Kubernetes: `helm CHART < VALUES`. It lints as
// `helm lint --strict` does, renders as `helm template` does, and reads what comes of it as an API server does that takes
// no unknown field. It prints JSON. Helm's own command takes several times as long to build.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
	"helm.sh/helm/v3/pkg/releaseutil"
	"k8s.io/apimachinery/pkg/runtime"
	kubernetes "k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"
)

type judgement struct {
	// What Helm has against the chart, and Kubernetes against what comes of it.
	Faults []string `json:"faults"`
	// What is rendered.
	Objects []map[string]any `json:"objects"`
	// Those of them that Kubernetes itself does not know, which are not judged.
	Unjudged []string `json:"unjudged"`
}

func main() {
	found := judgement{Faults: []string{}, Objects: []map[string]any{}, Unjudged: []string{}}
	if err := judge(os.Args[1], &found); err != nil {
		found.Faults = append(found.Faults, err.Error())
	}
	if err := json.NewEncoder(os.Stdout).Encode(found); err != nil {
		log.Fatal(err)
	}
}

func judge(folder string, found *judgement) error {
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	values, err := chartutil.ReadValues(text)
	if err != nil {
		return err
	}
	version, err := chartutil.ParseKubeVersion("v1.31.0")
	if err != nil {
		return err
	}
	capabilities := chartutil.DefaultCapabilities.Copy()
	capabilities.KubeVersion = *version
	for _, message := range lint.AllWithKubeVersion(folder, values, "gateways", version).Messages {
		if message.Severity > support.InfoSev {
			found.Faults = append(found.Faults, message.Error())
		}
	}
	chart, err := loader.Load(folder)
	if err != nil {
		return err
	}
	release := chartutil.ReleaseOptions{Name: "gateway", Namespace: "gateways", IsInstall: true}
	full, err := chartutil.ToRenderValues(chart, values, release, capabilities)
	if err != nil {
		return err
	}
	rendered, err := engine.Render(chart, full)
	if err != nil {
		return err
	}
	names := make([]string, 0, len(rendered))
	for name := range rendered {
		if filepath.Ext(name) == ".yaml" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	strict := kubernetes.NewSerializerWithOptions(kubernetes.DefaultMetaFactory, scheme.Scheme, scheme.Scheme,
		kubernetes.SerializerOptions{Yaml: true, Strict: true})
	for _, name := range names {
		for _, document := range releaseutil.SplitManifests(rendered[name]) {
			read(name, document, strict, found)
		}
	}
	return nil
}

func read(name, document string, strict runtime.Decoder, found *judgement) {
	if strings.TrimSpace(document) == "" {
		return
	}
	var object map[string]any
	if err := yaml.Unmarshal([]byte(document), &object); err != nil {
		found.Faults = append(found.Faults, fmt.Sprintf("%s: %s", name, err))
		return
	}
	found.Objects = append(found.Objects, object)
	_, _, err := strict.Decode([]byte(document), nil, nil)
	if runtime.IsNotRegisteredError(err) {
		found.Unjudged = append(found.Unjudged, fmt.Sprint(object["kind"]))
	} else if err != nil {
		found.Faults = append(found.Faults, fmt.Sprintf("%s: %s", name, err))
	}
}
