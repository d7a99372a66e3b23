package demo

import (
	"bytes"
	"cmp"
	"embed"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

//go:embed templates static
var files embed.FS

// pages are the parsed templates of the demo's own pages.
type pages struct {
	all     map[string]*template.Template
	version string // of the static files: a browser keeps them for this run only
}

func openPages() (*pages, error) {
	p := &pages{all: map[string]*template.Template{}, version: strconv.FormatInt(time.Now().UnixMilli(), 36)}
	base, err := template.ParseFS(files, "templates/frame.html")
	if err != nil {
		return nil, fmt.Errorf("parse templates: %w", err)
	}
	for _, name := range []string{"guide", "mail", "phone", "scan", "login", "account", "note", "factor", "users", "shared", "api", "lost"} {
		t, err := base.Clone()
		if err == nil {
			t, err = t.ParseFS(files, "templates/"+name+".html")
		}
		if err != nil {
			return nil, fmt.Errorf("parse templates: %w", err)
		}
		p.all[name] = t
	}
	return p, nil
}

// A frame is what every template sees; Body is the page's own.
type frame struct {
	Title   string
	Lang    string        // empty: English
	Head    template.HTML // what a page brings along
	Here    string        // which of the links is this page
	Tab     string        // which of the panel's
	Banner  string
	Guide   string // addresses of the three sites
	Panel   string
	Desk    string
	V       string
	Refresh int   // seconds until the page is loaded again, 0: never
	Who     *user // signed in to the panel
	Good    string
	Bad     string
	Body    any
}

// write writes a page in the frame of the demo.
func (s *stage) write(w io.Writer, name string, f frame) error {
	f.Banner, f.V = s.banner(), s.pages.version
	f.Guide, f.Panel, f.Desk = s.guideURL(), s.panelURL(), s.deskURL()
	f.Lang = cmp.Or(f.Lang, "en")
	if err := s.pages.all[name].ExecuteTemplate(w, "page", f); err != nil {
		return fmt.Errorf("render %s: %w", name, err)
	}
	return nil
}

// render writes a whole page, or the page of an internal error.
func (s *stage) render(w http.ResponseWriter, status int, name string, f frame) {
	var b bytes.Buffer
	if err := s.write(&b, name, f); err != nil {
		s.fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	w.Write(b.Bytes()) // an error here is a reader who left
}

// fail answers what went wrong inside. The reason is in the log.
func (s *stage) fail(w http.ResponseWriter, err error) {
	s.Log.Error("demo page", "error", err)
	http.Error(w, "Internal error. The log of the demo (resetdesk demo -v) says why.", http.StatusInternalServerError)
}

// harden wraps one of the demo's sites: the headers of the product's own pages
// but without any script, no host but its own, no form from elsewhere, small
// bodies.
func harden(host string, next http.Handler) http.Handler {
	const csp = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
	next = http.NewCrossOriginProtection().Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", csp)
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if r.Host != host {
			http.Error(w, "This is not the host you were looking for.", http.StatusMisdirectedRequest)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
		next.ServeHTTP(w, r)
	})
}

// static serves the demo's style sheet, and the desk's with its icon by way of the
// desk.
func (s *stage) static(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	if name == "desk.css" || name == "icon.svg" {
		inner := r.Clone(r.Context())
		inner.URL.Path, inner.Host = "/static/"+name, s.host(s.deskLine)
		s.deskPages.ServeHTTP(w, inner)
		return
	}
	text, err := files.ReadFile(path.Join("static", path.Base(name)))
	if err != nil || !strings.HasSuffix(name, ".css") {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	w.Write(text) // an error here is a reader who left
}
