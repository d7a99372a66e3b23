package ui_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A proxy is a real one in front of the back end. It answers 403 to /smuggled by
// itself and keeps its connections to the back end for the requests of everybody.
type proxy struct {
	program string
	args    func(config string) []string
	config  string // %[1]s: its address, %[2]s: the back end's, %[3]s: its folder
}

var proxies = []proxy{
	{"haproxy", func(c string) []string { return []string{"-db", "-f", c} }, `
global
  maxconn 500
defaults
  mode http
  timeout client 5s
  timeout server 5s
  timeout connect 5s
  http-reuse always
frontend pages
  bind %[1]s
  http-request deny deny_status 403 if { path_beg /smuggled }
  default_backend desk
backend desk
  server desk %[2]s pool-max-conn 2
`},
	{"nginx", func(c string) []string { return []string{"-e", "stderr", "-c", c} }, `
daemon off;
master_process off;
pid %[3]s/pid;
error_log stderr crit;
events {}
http {
  access_log off;
  client_body_temp_path %[3]s/body;
  proxy_temp_path %[3]s/proxy;
  fastcgi_temp_path %[3]s/fastcgi;
  uwsgi_temp_path %[3]s/uwsgi;
  scgi_temp_path %[3]s/scgi;
  upstream desk { server %[2]s; keepalive 2; }
  server {
    listen %[1]s;
    location /smuggled { return 403; }
    location / {
      proxy_pass http://desk;
      proxy_set_header Host $host;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_request_buffering off;
    }
  }
}
`}}

// start runs it until the test ends, and returns its address.
func (p proxy) start(t *testing.T, backEnd string) string {
	t.Helper()
	path, err := exec.LookPath(p.program)
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/" + p.program)
	}
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr, dir := l.Addr().String(), t.TempDir()
	l.Close()
	config := filepath.Join(dir, "config")
	if err := os.WriteFile(config, fmt.Appendf(nil, p.config, addr, backEnd, dir), 0o600); err != nil {
		t.Fatal(err)
	}
	said, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer said.Close()
	cmd := exec.Command(path, p.args(config)...)
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	for begun := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			return addr
		}
		if time.Since(begun) > 10*time.Second {
			text, _ := os.ReadFile(said.Name())
			t.Fatalf("%s does not listen: %s", p.program, text)
		}
	}
}

// A request that hides another one passes no proxy unseen, and who comes next over
// the same connection to the back end gets the own answer.
func TestNoRequestHidesBehindAProxy(t *testing.T) {
	b := startBackEnd(t)
	for _, p := range proxies {
		t.Run(p.program, func(t *testing.T) {
			addr := p.start(t, b.addr)
			cells := newTally(t, "requests in requests behind "+p.program)
			if seen := victim(t, addr, "before"); seen != "GET /static/desk.css?before" {
				t.Fatalf("nothing comes through: %q", seen)
			}
			for i, route := range []string{"POST /sign-in", "POST /static/desk.css", "GET /static/desk.css", "POST /profile/display", "POST /api/v1/cases"} {
				method, path, _ := strings.Cut(route, " ")
				for j, x := range tricks() {
					raw := x.raw(method, path, b.cookie)
					wire(t, addr, raw, 5*time.Millisecond)
					cells.ask(route, "admin", x.name)
					name := fmt.Sprintf("victim=%d.%d", i, j)
					if seen := victim(t, addr, name); seen != "GET /static/desk.css?"+name {
						cells.errorf("%s, %q: who came next got the answer to %q", route, x.name, seen)
					}
					for _, seen := range b.requests("") {
						if strings.Contains(seen, "smuggled") {
							cells.errorf("%s, %q: %q came through", route, x.name, seen)
							b.forget()
						}
					}
				}
			}
			cells.end(300)
		})
	}
}

// forget lets one request that came through be one finding.
func (b *backEnd) forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.seen)
}

// victim asks for a page and returns for which request the answer is.
func victim(t *testing.T, addr, name string) string {
	t.Helper()
	r, err := http.NewRequest("GET", "http://"+addr+"/static/desk.css?"+name, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "reset.example"
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	io.Copy(io.Discard, res.Body)
	seen, err := url.QueryUnescape(res.Header.Get("Seen"))
	if err != nil {
		t.Fatal(err)
	}
	return seen
}
