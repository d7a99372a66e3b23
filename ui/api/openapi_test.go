package api_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/resetdesk/resetdesk/ui/api"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// A document is openapi.json, with its schemas ready to be used.
type document struct {
	tree map[string]any
	mux  *http.ServeMux

	mu        sync.Mutex
	compiler  *jsonschema.Compiler
	schemas   map[string]*jsonschema.Schema
	exercised map[string]bool // "METHOD /path"
}

var spec = sync.OnceValue(func() *document {
	tree, err := jsonschema.UnmarshalJSON(bytes.NewReader(api.OpenAPI()))
	if err != nil {
		panic(err)
	}
	d := &document{tree: tree.(map[string]any), mux: http.NewServeMux(), compiler: jsonschema.NewCompiler(),
		schemas: map[string]*jsonschema.Schema{}, exercised: map[string]bool{}}
	d.compiler.DefaultDraft(jsonschema.Draft2020)
	d.compiler.AssertFormat()
	if err := d.compiler.AddResource("openapi.json", tree); err != nil {
		panic(err)
	}
	for path := range d.at("paths") {
		d.mux.HandleFunc(api.Prefix+path, func(http.ResponseWriter, *http.Request) {})
	}
	return d
})

// at walks down the tree, following references; nil if there is nothing.
func (d *document) at(steps ...string) map[string]any {
	here := d.tree
	for _, s := range steps {
		here, _ = here[s].(map[string]any)
		if ref, ok := here["$ref"].(string); ok {
			here = d.at(strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
		}
	}
	return here
}

// schema compiles the schema at a place of the document.
func (d *document) schema(steps ...string) (*jsonschema.Schema, error) {
	escape := strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D")
	where := "openapi.json#"
	for _, s := range steps {
		where += "/" + escape.Replace(s)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if s := d.schemas[where]; s != nil {
		return s, nil
	}
	s, err := d.compiler.Compile(where)
	d.schemas[where] = s
	return s, err
}

// place resolves a reference at the end of a path, for schema.
func (d *document) place(steps ...string) []string {
	here := d.tree
	for _, s := range steps {
		here, _ = here[s].(map[string]any)
	}
	if ref, ok := here["$ref"].(string); ok {
		return strings.Split(strings.TrimPrefix(ref, "#/"), "/")
	}
	return steps
}

func (d *document) validate(text []byte, steps ...string) error {
	s, err := d.schema(steps...)
	if err != nil {
		return err
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err
	}
	return s.Validate(v)
}

// checked is a transport that holds every answer, and every request that was
// accepted, against the document.
type checked struct {
	t  testing.TB
	to http.RoundTripper
}

func (c checked) RoundTrip(r *http.Request) (*http.Response, error) {
	var sent []byte
	if r.Body != nil {
		var err error
		if sent, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(sent))
	}
	res, err := c.to.RoundTrip(r)
	if err != nil {
		return res, err
	}
	got, err := io.ReadAll(res.Body)
	if err != nil {
		return res, err
	}
	res.Body.Close()
	res.Body = io.NopCloser(bytes.NewReader(got))
	if err := spec().check(r, sent, res, got); err != nil {
		c.t.Errorf("%s %s %d: %v\n%.800s", r.Method, r.URL.Path, res.StatusCode, err, got)
	}
	return res, nil
}

func (d *document) check(r *http.Request, sent []byte, res *http.Response, got []byte) error {
	_, pattern := d.mux.Handler(r)
	path := strings.TrimPrefix(pattern, api.Prefix)
	if bytes.Contains(got, []byte("problems#no-route")) || bytes.Contains(got, []byte("problems#method")) {
		return d.validate(got, "components", "schemas", "Problem") // there is no operation
	}
	if r.Method == http.MethodHead {
		if len(got) > 0 {
			return fmt.Errorf("a body for HEAD")
		}
		return nil
	}
	if d.at("paths", path, strings.ToLower(r.Method)) == nil {
		return fmt.Errorf("the document has no %s %s", r.Method, path)
	}
	at := d.place("paths", path, strings.ToLower(r.Method), "responses", fmt.Sprint(res.StatusCode))
	response := d.at(at...)
	if response == nil {
		return fmt.Errorf("the document has no such status")
	}
	if res.StatusCode < 300 {
		d.mu.Lock()
		d.exercised[r.Method+" "+path] = true
		d.mu.Unlock()
		if body := d.at("paths", path, strings.ToLower(r.Method), "requestBody", "content", "application/json", "schema"); body != nil && json.Valid(sent) &&
			strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
			if err := d.validate(sent, "paths", path, strings.ToLower(r.Method), "requestBody", "content", "application/json", "schema"); err != nil {
				return fmt.Errorf("the request was accepted and does not fit: %w", err)
			}
		}
	}
	content, _ := response["content"].(map[string]any)
	if content == nil {
		if len(got) > 0 {
			return fmt.Errorf("a body that the document does not know")
		}
		return nil
	}
	kind, _, _ := strings.Cut(res.Header.Get("Content-Type"), ";")
	media, ok := content[kind].(map[string]any)
	if !ok {
		return fmt.Errorf("the document has no %s", kind)
	}
	if media["schema"] == nil {
		return nil
	}
	return d.validate(got, append(slices.Clone(at), "content", kind, "schema")...)
}

// Every route stands in the document and every operation of it is a route, with
// the scope that the route asks for.
func TestDocumentHasEveryRoute(t *testing.T) {
	d := spec()
	described := map[string]string{}
	for path, methods := range d.at("paths") {
		for method := range methods.(map[string]any) {
			scope := ""
			op := d.at("paths", path, method)
			if s, _ := op["security"].([]any); len(s) == 1 {
				scope = fmt.Sprint(s[0].(map[string]any)["key"].([]any)[0])
			}
			described[strings.ToUpper(method)+" "+path] = scope
		}
	}
	for _, r := range api.Routes() {
		scope, ok := described[r.Method+" "+r.Path]
		if !ok || scope != string(r.Scope) {
			t.Errorf("%s %s: described %v, scope %q, want %q", r.Method, r.Path, ok, scope, r.Scope)
		}
		delete(described, r.Method+" "+r.Path)
	}
	if len(described) > 0 {
		t.Errorf("described and not there: %v", described)
	}
}

// After all tests every operation of the document was exercised with success.
func TestMain(m *testing.M) {
	code := m.Run()
	whole := flag.Lookup("test.run").Value.String() == "" && flag.Lookup("test.fuzz").Value.String() == "" && flag.Lookup("test.list").Value.String() == ""
	if code == 0 && whole {
		for _, r := range api.Routes() {
			if !spec().exercised[r.Method+" "+r.Path] {
				fmt.Printf("FAIL: no test has %s %s succeed\n", r.Method, r.Path)
				code = 1
			}
		}
	}
	os.Exit(code)
}
