package simulation

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// beyond are the kinds of transactions that no scenario can come to, and why.
var beyond = map[string]string{
	"mailbox.HandIn: dot":                        "the mail that the command doctor sends to itself: it keeps nothing",
	"review.update (reseal credential): commit":  "package totp seals these anew, in a transaction of its own",
	"review.update (reseal idempotency): commit": "answers of the API live for a day and are not sealed anew",
}

// unreached wants every kind of transaction of the desk in a scenario, but for those
// that are beyond them; and that these are.
func unreached(t *testing.T, names map[string]bool) {
	t.Helper()
	all, reached := transactions(t), 0
	for _, k := range all {
		why, is := beyond[k]
		switch hit := names[k+", before"]; {
		case hit && is:
			t.Errorf("%s is reached: it is not beyond the scenarios (%s)", k, why)
		case hit:
			reached++
		case is:
			t.Logf("not reached: %s: %s", k, why)
		default:
			t.Errorf("no scenario comes to %s", k)
		}
	}
	for k := range beyond {
		if !slices.Contains(all, k) {
			t.Errorf("%s is none any more", k)
		}
	}
	t.Logf("%d of %d kinds of transactions are reached", reached, len(all))
}

// transactions are the names of all transactions, final dots and writes outside of a
// transaction, found in the source.
func transactions(t *testing.T) (all []string) {
	t.Helper()
	for _, name := range sources(t) {
		_, places := points(t, name)
		for _, p := range places {
			if !strings.Contains(p, "(what)") {
				all = append(all, p)
				continue
			}
			for _, what := range whats(t, filepath.Dir(name)) {
				all = append(all, strings.Replace(p, "what", what, 1))
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// whats are the words that calls of update in a room say what they do with: each is a
// transaction of its own kind.
func whats(t *testing.T, room string) (all []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(room, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	r := &reader{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		r.files = append(r.files, f)
	}
	r.calls("update", func(in *ast.FuncDecl, call *ast.CallExpr) {
		words := r.words(in, call.Args[1])
		if len(words) == 0 {
			t.Errorf("a transaction in %s, of which nobody knows what it does", in.Name.Name)
		}
		all = append(all, words...)
	})
	return all
}

// A reader finds out which texts an expression of a room can be.
type reader struct{ files []*ast.File }

// calls shows every call of a function, and in which one it stands.
func (r *reader) calls(name string, show func(in *ast.FuncDecl, call *ast.CallExpr)) {
	for _, f := range r.files {
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			ast.Inspect(fn, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok {
					if sel, ok := call.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == name {
						show(fn, call)
					}
				}
				return true
			})
		}
	}
}

// words are a text itself, two joined, what callers give for a parameter, or what is
// written into a field anywhere.
func (r *reader) words(in *ast.FuncDecl, e ast.Expr) (all []string) {
	switch e := e.(type) {
	case *ast.BasicLit:
		return []string{strings.Trim(e.Value, `"`)}
	case *ast.BinaryExpr:
		for _, x := range r.words(in, e.X) {
			for _, y := range r.words(in, e.Y) {
				all = append(all, x+y)
			}
		}
	case *ast.Ident:
		r.calls(in.Name.Name, func(caller *ast.FuncDecl, call *ast.CallExpr) {
			if i := parameter(in, e.Name); i >= 0 && i < len(call.Args) {
				all = append(all, r.words(caller, call.Args[i])...)
			}
		})
	case *ast.SelectorExpr:
		for _, f := range r.files {
			ast.Inspect(f, func(n ast.Node) bool {
				if kv, ok := n.(*ast.KeyValueExpr); ok {
					if key, ok := kv.Key.(*ast.Ident); ok && key.Name == e.Sel.Name {
						all = append(all, r.words(nil, kv.Value)...)
					}
				}
				return true
			})
		}
	}
	return all
}

// parameter is the place of a parameter, -1 if there is none of that name.
func parameter(fn *ast.FuncDecl, name string) int {
	place := 0
	for _, p := range fn.Type.Params.List {
		for _, n := range p.Names {
			if n.Name == name {
				return place
			}
			place++
		}
	}
	return -1
}
