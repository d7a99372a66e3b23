package ui

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/review/alarm"
)

//go:embed templates static text
var files embed.FS

// books are the parsed templates, the texts in each language and the version of
// the static files.
type books struct {
	pages   map[string]*template.Template
	texts   map[string]map[string]string
	version string
}

// openBooks parses everything embedded, so that a broken template stops the
// start and not a reader: once in a process, for all its pages.
var openBooks = sync.OnceValues(parseBooks)

func parseBooks() (*books, error) {
	b := &books{pages: map[string]*template.Template{}, texts: map[string]map[string]string{}}
	base, err := template.New("").Funcs(helpers).ParseFS(files, "templates/parts/*.html")
	if err != nil {
		return nil, fmt.Errorf("parse templates: %w", err)
	}
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("list templates: %w", err)
	}
	for _, name := range names {
		t, err := template.Must(base.Clone()).ParseFS(files, name)
		if err != nil {
			return nil, fmt.Errorf("parse templates: %w", err)
		}
		b.pages[strings.TrimSuffix(path.Base(name), ".html")] = t
	}
	if err := b.readTexts(); err != nil {
		return nil, err
	}
	sum := sha256.New()
	statics, err := fs.Glob(files, "static/*")
	if err != nil {
		return nil, fmt.Errorf("list static files: %w", err)
	}
	for _, name := range statics {
		text, err := files.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read static file: %w", err)
		}
		sum.Write(text)
	}
	b.version = hex.EncodeToString(sum.Sum(nil))[:8]
	return b, nil
}

func (b *books) readTexts() error {
	names, err := fs.Glob(files, "text/*.json")
	if err != nil {
		return fmt.Errorf("list texts: %w", err)
	}
	for _, name := range names {
		raw, err := files.ReadFile(name)
		if err != nil {
			return fmt.Errorf("read texts: %w", err)
		}
		texts := map[string]string{}
		if err := json.Unmarshal(raw, &texts); err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		b.texts[strings.TrimSuffix(path.Base(name), ".json")] = texts
	}
	return nil
}

// language returns the first of the wanted languages that we speak, or English.
// Wanted are tags like "de-AT"; an Accept-Language header is read in its order,
// its weights are not.
func (b *books) language(wanted ...string) string {
	for _, w := range wanted {
		for tag := range strings.SplitSeq(w, ",") {
			tag, _, _ = strings.Cut(strings.ToLower(strings.TrimSpace(tag)), ";")
			tag, _, _ = strings.Cut(strings.ReplaceAll(tag, "_", "-"), "-")
			if _, ok := b.texts[tag]; ok {
				return tag
			}
		}
	}
	return "en"
}

// A view is what every template sees; Body is the page's own.
type view struct {
	Title   string
	Lang    string
	Brand   string
	Banner  string
	Threat  string // that threat mode is on, in a sentence; "" while it is off
	Static  string // where style sheet and script are
	V       string // their version
	Who     review.Reviewer
	Flash   string
	Undo    *undo // of what was said; nil: it cannot be taken back
	Lines   []Line
	Theme   string // light, dark, or "" for that of the system
	Review  int    // cases that need a review
	Path    string
	Live    bool           // load the page again every half minute
	Alarms  []alarm.Signal // for those who look after all cases
	Passkey bool           // passkeys work at this address
	Body    any
	texts   map[string]string
}

// T returns the text of a key in the language of the page. A missing key is an
// error, so that no page goes out with a hole in it.
func (v view) T(key string, args ...any) (string, error) {
	text, ok := v.texts[key]
	if !ok {
		return "", fmt.Errorf("no text %q in %q", key, v.Lang)
	}
	if len(args) > 0 {
		return fmt.Sprintf(text, args...), nil
	}
	return text, nil
}

// execute renders to a buffer and then writes the whole page, or nothing.
func (b *books) execute(w http.ResponseWriter, r *http.Request, status int, name string, v view) error {
	t, ok := b.pages[name]
	if !ok {
		return fmt.Errorf("render: no template %q", name)
	}
	v.texts, v.V = b.texts[v.Lang], b.version
	var buf bytes.Buffer
	if err := t.ExecuteTemplate(&buf, "page", v); err != nil {
		return fmt.Errorf("render %s: %w", name, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(buf.Len()))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		w.Write(buf.Bytes()) // an error here is a reader who left
	}
	return nil
}

// render renders a page of the site.
func (s *site) render(w http.ResponseWriter, r *http.Request, status int, name string, v view) error {
	v.Brand, v.Banner, v.Static, v.Who = s.Brand, s.Banner, "/static/", reviewerOf(r)
	v.Passkey = s.Desk.PasskeysWork()
	if v.Lang == "" {
		v.Lang = "en"
	}
	v.Theme, v.Path = s.themeOf(r), r.URL.Path
	if v.Who.ID != 0 {
		t, err := s.Desk.Threat(r.Context())
		if err != nil {
			return err
		}
		if t.On {
			v.Threat = t.String()
		}
		v.Flash, v.Undo = s.takeFlash(w, r)
		if v.Review, err = s.Desk.Waiting(r.Context()); err != nil {
			s.Log.Error("the cases that wait were not counted", "error", err)
		}
		if audits.allows(v.Who.Role) && status < http.StatusInternalServerError {
			a, err := s.Desk.Alarms(r.Context())
			if err != nil {
				s.logError("part", "alarms", "error", err) // the page itself is more urgent
			}
			v.Alarms = a.Signals
		}
		if s.Status != nil {
			v.Lines = s.Status()
		}
	}
	return s.book.execute(w, r, status, name, v)
}

var staticTypes = map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}

// static serves the style sheet, the script and the icon. Their address changes with
// their content, so a browser may keep them.
func (s *site) static(w http.ResponseWriter, r *http.Request, _ review.Session) error {
	return serveStatic(w, r, r.PathValue("file"))
}

// icon is for browsers that look for one by themselves.
func (s *site) icon(w http.ResponseWriter, r *http.Request, _ review.Session) error {
	return serveStatic(w, r, "icon.svg")
}

func serveStatic(w http.ResponseWriter, r *http.Request, name string) error {
	text, err := files.ReadFile("static/" + path.Base(name))
	if err != nil {
		return errNoPage
	}
	w.Header().Set("Content-Type", staticTypes[path.Ext(name)])
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	if r.Method != http.MethodHead {
		w.Write(text) // an error here is a reader who left
	}
	return nil
}

// health tells a supervisor that the process answers.
func (s *site) health(w http.ResponseWriter, _ *http.Request, _ review.Session) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Write([]byte("ok\n"))
	return nil
}
