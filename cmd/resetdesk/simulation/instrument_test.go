package simulation

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The rooms whose source has points to crash at.
var rooms = []string{"review", "totp", "mailbox", "ui"}

// top is the top of the module, seen from here.
const top = "../../.."

// instrument builds this test with a named point before and after every commit,
// every write outside a transaction, the final dot and its 250, and every answer of
// the pages and the API that tells of a change. The points are found in the source
// and put in by an overlay of the build: the program as it ships has none, and none
// can be forgotten.
//
// A GET has none, for it changes nothing: TestGetChangesNothing in ui wants that of
// every page, and a crash at it is one while nobody does anything. The way back from
// the provider of single sign-on, a GET by the standard, is an exception and has them.
func instrument(t *testing.T, dir string) (binary string) {
	t.Helper()
	overlay := &overlayFile{map[string]string{}}
	for _, name := range sources(t) {
		src, err := os.ReadFile(name)
		if text, _ := points(t, name); err == nil && text != string(src) {
			overlay.put(t, dir, name, text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, room := range rooms {
		overlay.put(t, dir, filepath.Join(top, room, "crash_points.go"), "package "+room+"\n"+crashSource)
	}
	list := filepath.Join(dir, "overlay.json")
	text, err := json.Marshal(overlay)
	if err == nil {
		err = os.WriteFile(list, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	binary = filepath.Join(dir, "crash.test")
	if out, err := exec.Command("go", "test", "-c", "-overlay", list, "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return binary
}

func (o *overlayFile) put(t *testing.T, dir, name, text string) {
	t.Helper()
	full, err := filepath.Abs(name)
	copied := filepath.Join(dir, fmt.Sprintf("%d.go", len(o.Replace)))
	if err := errors.Join(err, os.WriteFile(copied, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
	o.Replace[full] = copied
}

// An overlayFile is what go build -overlay reads.
type overlayFile struct{ Replace map[string]string }

// A splice replaces bytes of a source file.
type splice struct {
	from, to int
	text     string
}

// sources are the files of the rooms whose source has points.
func sources(t *testing.T) (all []string) {
	t.Helper()
	for _, room := range rooms {
		files, err := filepath.Glob(filepath.Join(top, room, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, slices.DeleteFunc(files, func(name string) bool { return strings.HasSuffix(name, "_test.go") })...)
	}
	return all
}

// points returns the source of a file with its points, and the places that have one
// before and one after them. In the name of a place that is many, since its function
// is told what it does, (what) stands for it.
func points(t *testing.T, name string) (text string, places []string) {
	t.Helper()
	src, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, name, src, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var all []splice
	at := func(n ast.Node) (int, int) { return fset.Position(n.Pos()).Offset, fset.Position(n.End()).Offset }
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Body == nil {
			continue
		}
		place := f.Name.Name + "." + fn.Name.Name
		label := fmt.Sprintf("%q", place)
		for _, p := range fn.Type.Params.List {
			for _, n := range p.Names {
				if n.Name == "what" {
					label += ` + " (" + what + ")"`
					place += " (what)"
				}
			}
		}
		bodies := letterBodies(fn)
		ast.Inspect(fn.Body, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			sel, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			from, to := at(call)
			text := string(src[from:to])
			receiver := string(src[from:fset.Position(sel.X.End()).Offset])
			put := func(kind, format string, arg string) {
				all = append(all, splice{from, to, fmt.Sprintf(format, label+` + ": `+kind+`"`, arg)})
				places = append(places, place+": "+kind)
			}
			switch {
			case sel.Sel.Name == "Commit" && len(call.Args) == 0:
				put("commit", "crashAround(%s, %s.Commit)", receiver)
			case sel.Sel.Name == "Close" && bodies[receiver]:
				put("dot", "crashAround(%s, %s.Close)", receiver)
			case sel.Sel.Name == "Scan" && strings.Contains(receiver, ".write.QueryRowContext("):
				put("write", "crashAround(%s, func() error { return %s })", text)
				return false
			case strings.HasPrefix(sel.Sel.Name, "Exec") && strings.HasSuffix(receiver, ".write"):
				put("write", "crashBoth(%s, func() (sql.Result, error) { return %s })", text)
				return false
			case sel.Sel.Name == "handler" && f.Name.Name == "ui" && fn.Name.Name == "New":
				all = append(all, splice{from, to, "crashAnswers(" + text + ")"})
			}
			return true
		})
	}
	slices.SortFunc(all, func(a, b splice) int { return b.from - a.from })
	out := string(src)
	for _, s := range all {
		out = out[:s.from] + s.text + out[s.to:]
	}
	if strings.Contains(out, "(sql.Result, error) { return") && !strings.Contains(out, `"database/sql"`) {
		out = strings.Replace(out, "import (", "import (\n\t\"database/sql\"", 1)
	}
	return out, places
}

// letterBodies are the variables of fn that got the writer of an SMTP DATA.
func letterBodies(fn *ast.FuncDecl) map[string]bool {
	found := map[string]bool{}
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		a, ok := n.(*ast.AssignStmt)
		if !ok || len(a.Rhs) != 1 {
			return true
		}
		if call, ok := a.Rhs[0].(*ast.CallExpr); ok {
			if sel, ok := call.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "Data" && len(call.Args) == 0 {
				if v, ok := a.Lhs[0].(*ast.Ident); ok {
					found[v.Name] = true
				}
			}
		}
		return true
	})
	return found
}

// TestEveryWriteHasAPoint: no write of the rooms that hold SQL goes to the
// database by a way that the points do not know.
func TestEveryWriteHasAPoint(t *testing.T) {
	sum := 0
	for _, name := range sources(t) {
		text, places := points(t, name)
		sum += len(places)
		for line := range strings.Lines(text) {
			for _, way := range []string{".Exec(", ".ExecContext(", "\"COMMIT", "`COMMIT"} {
				i := strings.Index(line, way)
				if i < 0 || strings.Contains(line, "crashBoth(") || strings.HasPrefix(strings.TrimSpace(line), "//") ||
					strings.Contains(line, "VACUUM INTO") { // a copy, which changes nothing here
					continue
				}
				receiver := line[strings.LastIndexAny(line[:i], " \t({!")+1 : i]
				// A statement in a transaction, a prepared one, or the schema of a
				// database in memory to compare with.
				if !slices.Contains([]string{"tx", "row", "stmt", "q", "fresh", "i.tx", "add", "insert"}, receiver) && !strings.HasSuffix(receiver, ")") && !strings.HasPrefix(receiver, "queries") {
					t.Errorf("%s: %s writes past the points", name, strings.TrimSpace(line))
				}
			}
		}
	}
	t.Logf("%d places, a point before and one after each", sum)
}

// crashSource is the part of each room that ends the process at a point.
const crashSource = `
import (
	"fmt"
	"net/http"
	"os"
	"regexp"
	"sync"
	"syscall"
)

var crash struct {
	sync.Mutex
	hits map[string]int
}

// crashAt ends the process as kill -9 does if this is the point, and the time.
func crashAt(point string) {
	crash.Lock()
	defer crash.Unlock()
	if crash.hits == nil {
		crash.hits = map[string]int{}
	}
	crash.hits[point]++
	if log := os.Getenv("RESETDESK_CRASH_LOG"); log != "" {
		if f, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err == nil {
			fmt.Fprintln(f, point)
			f.Close()
		}
	}
	if os.Getenv("RESETDESK_CRASH_AT") == fmt.Sprintf("%s#%d", point, crash.hits[point]) {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}

func crashAround(place string, f func() error) error {
	crashAt(place + ", before")
	err := f()
	crashAt(place + ", after")
	return err
}

func crashBoth[T any](place string, f func() (T, error)) (T, error) {
	crashAt(place + ", before")
	v, err := f()
	crashAt(place + ", after")
	return v, err
}

var crashNames = regexp.MustCompile("RST-[0-9A-Z]{6}|/r/[0-9A-Z]{20,}")

// crashAnswers has a point before and after each answer that tells of a change.
func crashAnswers(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if (r.Method == http.MethodGet || r.Method == http.MethodHead) && r.URL.Path != "/sign-in/sso/callback" {
			h.ServeHTTP(w, r)
			return
		}
		place := "answer to " + r.Method + " " + crashNames.ReplaceAllString(r.URL.Path, "{}")
		h.ServeHTTP(&crashWriter{ResponseWriter: w, place: place}, r)
		crashAt(place + ", after")
	})
}

type crashWriter struct {
	http.ResponseWriter
	place string
	once  sync.Once
}

func (w *crashWriter) WriteHeader(status int) {
	w.once.Do(func() { crashAt(w.place + ", before") })
	w.ResponseWriter.WriteHeader(status)
}

var (
	_ = crashAround
	_ = crashBoth[int]
	_ = crashAnswers
)
`
