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
// every write outside a transaction, the final dot and its 250, and every answer
// to a POST. The points are found in the source and put in by an overlay of the
// build: the program as it ships has none, and none can be forgotten.
func instrument(t *testing.T, dir string) (binary string) {
	t.Helper()
	overlay := &overlayFile{map[string]string{}}
	for _, room := range rooms {
		files, err := filepath.Glob(filepath.Join(top, room, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			text, n := points(t, name)
			if n == 0 {
				continue
			}
			overlay.put(t, dir, name, text)
		}
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

// points returns the source of a file with its points, and how many there are.
func points(t *testing.T, name string) (string, int) {
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
		label := fmt.Sprintf("%q", f.Name.Name+"."+fn.Name.Name)
		for _, p := range fn.Type.Params.List {
			for _, n := range p.Names {
				if n.Name == "what" {
					label += ` + " (" + what + ")"`
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
			switch {
			case sel.Sel.Name == "Commit" && len(call.Args) == 0:
				all = append(all, splice{from, to, "crashAround(" + label + ` + ": commit", ` + receiver + ".Commit)"})
			case sel.Sel.Name == "Close" && bodies[receiver]:
				all = append(all, splice{from, to, "crashAround(" + label + `+ ": dot", ` + receiver + ".Close)"})
			case sel.Sel.Name == "Scan" && strings.Contains(receiver, ".write.QueryRowContext("):
				all = append(all, splice{from, to, "crashAround(" + label + `+ ": write", func() error { return ` + text + " })"})
				return false
			case strings.HasPrefix(sel.Sel.Name, "Exec") && strings.HasSuffix(receiver, ".write"):
				all = append(all, splice{from, to, "crashBoth(" + label + `+ ": write", func() (sql.Result, error) { return ` + text + " })"})
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
	return out, len(all)
}

// whats are the words that calls give to the functions whose points carry their
// parameter "what": each of them is a transaction of its own kind.
func whats(t *testing.T) (all []string) {
	t.Helper()
	for _, room := range rooms {
		files, err := filepath.Glob(filepath.Join(top, room, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(f, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok || len(call.Args) != 3 || strings.HasSuffix(name, "_test.go") {
					return true
				}
				sel, ok := call.Fun.(*ast.SelectorExpr)
				if what, isText := call.Args[1].(*ast.BasicLit); ok && isText && sel.Sel.Name == "update" {
					all = append(all, f.Name.Name+".update ("+strings.Trim(what.Value, `"`)+"): commit")
				}
				return true
			})
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// unreached says which transactions of the desk no scenario comes to.
func unreached(t *testing.T, names map[string]bool) {
	t.Helper()
	all, rest := whats(t), []string{}
	for _, w := range all {
		if !names[w+", before"] {
			rest = append(rest, strings.TrimSuffix(strings.TrimPrefix(w, "review.update ("), "): commit"))
		}
	}
	t.Logf("%d of %d kinds of transactions of the desk are reached, not: %s", len(all)-len(rest), len(all), strings.Join(rest, ", "))
	if len(all) < 60 || len(rest) > len(all)/2 {
		t.Error("the scenarios reach too little")
	}
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
	for _, room := range rooms {
		files, err := filepath.Glob(filepath.Join(top, room, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			text, n := points(t, name)
			sum += n
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

// crashAnswers has a point before and after each answer to a POST.
func crashAnswers(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			h.ServeHTTP(w, r)
			return
		}
		place := "answer to " + crashNames.ReplaceAllString(r.URL.Path, "{}")
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
