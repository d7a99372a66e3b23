package api_test

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/totp"
	"github.com/resetdesk/resetdesk/ui/api"
	_ "modernc.org/sqlite"
)

const base = "https://reset.example"

const acme = `{"name":"ACME GmbH","locale":"de","notify":["it@acme.example"],"users":[
	{"id":"U-1","login":"anna","full_name":"Anna Admin","email":"anna@acme.example","role":"admin"},
	{"id":"U-2","login":"jane","email":"jane@acme.example","role":"user"}]}`

// A house is the API over a real desk on a real database, in a bubble whose clock
// stands still but for sleeps.
type house struct {
	t    *testing.T
	path string
	cfg  review.Config
	desk *review.Desk
	api  http.Handler
	log  *bytes.Buffer
	key  string // of all scopes
}

func inHouse(t *testing.T, f func(t *testing.T, h *house)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) { f(t, newHouse(t, dir)) })
}

// builtHouse is a house as every test begins: making its database is most of the
// work, so it is done once.
var builtHouse struct {
	cfg   review.Config
	key   string
	bytes []byte
}

func newHouse(t *testing.T, dir string) *house {
	t.Helper()
	h := &house{t: t, path: filepath.Join(dir, "desk.db"), log: &bytes.Buffer{}}
	if builtHouse.bytes == nil {
		h.build()
	} else if err := os.WriteFile(h.path, builtHouse.bytes, 0o600); err != nil {
		t.Fatal(err)
	}
	h.cfg, h.key = builtHouse.cfg, builtHouse.key
	h.cfg.Path = h.path
	h.open()
	return h
}

func (h *house) build() {
	h.t.Helper()
	keys, err := totp.NewKeyring()
	if err != nil {
		h.t.Fatal(err)
	}
	builtHouse.cfg = review.Config{Path: h.path, Keys: keys, Brand: "Example", BaseURL: base, From: mail.Address{Address: "support@host.example"},
		Passwords: review.Argon2{KiB: 64, Passes: 1, Threads: 1}}
	if h.desk, err = review.Open(h.t.Context(), builtHouse.cfg); err != nil {
		h.t.Fatal(err)
	}
	builtHouse.key = h.addKey(review.APIKey{Name: "panel", Scopes: review.Scopes})
	if err := h.desk.Close(); err != nil {
		h.t.Fatal(err)
	}
	if builtHouse.bytes, err = os.ReadFile(h.path); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) open() {
	h.t.Helper()
	var err error
	if h.desk, err = review.Open(h.t.Context(), h.cfg); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { h.desk.Close() })
	h.api, err = api.New(api.Config{Desk: h.desk, BaseURL: base, Log: slog.New(slog.NewTextHandler(h.log, nil)),
		Trusted: []netip.Prefix{netip.MustParsePrefix("192.0.2.7/32")}})
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) addKey(k review.APIKey) string {
	h.t.Helper()
	_, token, err := h.desk.AddAPIKey(h.t.Context(), k)
	if err != nil {
		h.t.Fatal(err)
	}
	return token
}

// A handler as a transport: no socket, so that it can run in the bubble.
type direct struct{ http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	if r.Host == "" {
		r.Host = r.URL.Host
	}
	r.RemoteAddr = "192.0.2.7:4711"
	if r.Body == nil {
		r.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	return w.Result(), nil
}

// A reply is an answer read to its end.
type reply struct {
	status int
	header http.Header
	text   string
	json   map[string]any
}

// ask sends a request with the key of all scopes. head is name and value in turn.
func (h *house) ask(method, path, body string, head ...string) reply {
	h.t.Helper()
	r, err := http.NewRequest(method, base+api.Prefix+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+h.key)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(head); i += 2 {
		r.Header.Set(head[i], head[i+1])
		if head[i+1] == "" {
			r.Header.Del(head[i])
		}
	}
	return h.send(r)
}

func (h *house) send(r *http.Request) reply {
	h.t.Helper()
	res, err := checked{h.t, direct{h.api}}.RoundTrip(r)
	if err != nil {
		h.t.Fatal(err)
	}
	text, err := io.ReadAll(res.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	a := reply{status: res.StatusCode, header: res.Header, text: string(text)}
	if strings.Contains(res.Header.Get("Content-Type"), "json") && r.Method != "HEAD" {
		if err := json.Unmarshal(text, &a.json); err != nil {
			h.t.Errorf("%s %s: %v in %s", r.Method, r.URL.Path, err, text)
		}
	}
	return a
}

func (a reply) want(t *testing.T, status int) reply {
	t.Helper()
	if a.status != status {
		t.Fatalf("status %d, want %d: %.600s", a.status, status, a.text)
	}
	return a
}

// problem wants a problem of this name.
func (a reply) problem(t *testing.T, status int, name string) reply {
	t.Helper()
	if a.status != status || a.json["type"] != api.Prefix+"/problems#"+name {
		t.Fatalf("%d %v, want %d %s: %.600s", a.status, a.json["type"], status, name, a.text)
	}
	return a
}

func (a reply) str(member string) string {
	s, _ := a.json[member].(string)
	return s
}

func (h *house) sql() *sql.DB {
	h.t.Helper()
	db, err := sql.Open("sqlite", "file:"+h.path+"?_txlock=immediate&_pragma=busy_timeout(5000)&_pragma=foreign_keys(1)&_pragma=recursive_triggers(1)")
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { db.Close() })
	return db
}

func (h *house) count(query string, args ...any) int {
	h.t.Helper()
	var n int
	if err := h.sql().QueryRow(query, args...).Scan(&n); err != nil {
		h.t.Fatalf("%s: %v", query, err)
	}
	return n
}

// settle lets the minute pass in which a key or a user was made.
func settle() { time.Sleep(time.Hour) }
