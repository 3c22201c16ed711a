// Command otlp takes spans as OpenTelemetry's collector does, by the collector's own reader of OTLP, and tells at
// /spans what it has read. It prints the port of 127.0.0.1 on which it listens.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"

	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
)

type span struct {
	Service, TraceID, SpanID, ParentSpanID, Name, Kind, Status string
	Start, End                                                 uint64
	Attributes                                                 map[string]any
}

var (
	lock  sync.Mutex
	spans = []span{}
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	http.HandleFunc("POST /v1/traces", take)
	http.HandleFunc("GET /spans", tell)
	log.Fatal(http.Serve(listener, nil))
}

func take(response http.ResponseWriter, request *http.Request) {
	if request.Header.Get("content-type") != "application/json" {
		http.Error(response, "not JSON", http.StatusUnsupportedMediaType)
		return
	}
	body, err := io.ReadAll(request.Body)
	if err != nil {
		log.Print(err)
		return
	}
	exported := ptraceotlp.NewExportRequest()
	if err := exported.UnmarshalJSON(body); err != nil {
		http.Error(response, err.Error(), http.StatusBadRequest)
		return
	}
	lock.Lock()
	defer lock.Unlock()
	for _, resource := range exported.Traces().ResourceSpans().All() {
		service, _ := resource.Resource().Attributes().Get("service.name")
		for _, scope := range resource.ScopeSpans().All() {
			for _, one := range scope.Spans().All() {
				spans = append(spans, span{
					Service:      service.Str(),
					TraceID:      one.TraceID().String(),
					SpanID:       one.SpanID().String(),
					ParentSpanID: one.ParentSpanID().String(),
					Name:         one.Name(),
					Kind:         one.Kind().String(),
					Status:       one.Status().Code().String(),
					Start:        uint64(one.StartTimestamp()),
					End:          uint64(one.EndTimestamp()),
					Attributes:   one.Attributes().AsRaw(),
				})
			}
		}
	}
	answer, err := ptraceotlp.NewExportResponse().MarshalJSON()
	if err != nil {
		log.Print(err)
		return
	}
	response.Header().Set("content-type", "application/json")
	_, _ = response.Write(answer)
}

func tell(response http.ResponseWriter, _ *http.Request) {
	lock.Lock()
	defer lock.Unlock()
	if err := json.NewEncoder(response).Encode(spans); err != nil {
		log.Print(err)
	}
}
